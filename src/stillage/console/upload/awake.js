// Keeps the machine from sleeping while files are sent, where browsers can.

/** @type {WakeLockSentinel | null} */
let lock = null;
let isWanted = false;
/** One change after the other: a lock that is asked for twice would be kept. */
let lastTurn = Promise.resolve();

/** @param {boolean} wanted */
export function keepAwake(wanted) {
  if (wanted === isWanted) return;
  isWanted = wanted;
  adjustInTurn();
}

function adjustInTurn() {
  lastTurn = lastTurn.then(adjust);
}

async function adjust() {
  try {
    if (isWanted && !lock && document.visibilityState === "visible") {
      const taken = await navigator.wakeLock?.request("screen");
      lock = taken ?? null;
      taken?.addEventListener("release", () => (lock = null));
    }
    if (!isWanted) await lock?.release();
  } catch {
    // a battery saver may refuse it
  }
}

document.addEventListener("visibilitychange", adjustInTurn); // it is lost when the page is hidden
