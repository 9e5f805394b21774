// Keeps the machine from sleeping while files are sent, where browsers can.

/** @type {WakeLockSentinel | null} */
let lock = null;
let isWanted = false;

/** @param {boolean} wanted */
export function keepAwake(wanted) {
  if (wanted === isWanted) return;
  isWanted = wanted;
  void adjust();
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

document.addEventListener("visibilitychange", () => void adjust()); // it is lost when the page is hidden
