// The connections that all tabs of this browser share for uploads: four, so that two are left for everything else.
//
// A browser has six connections to an origin. With more than four of them busy with pieces, other requests of the page
// wait for seconds. Web Locks are the count, because they hold across tabs and are given back when a tab dies.

import { MOST_LANES } from "./pace.js";
import { lockOf } from "./phases.js";

const NAMES = Array.from({ length: MOST_LANES }, (_, index) => `stillage-lane-${index}`);

/**
 * Run `work` on one of the lanes, when one is free.
 *
 * @template T
 * @param {(release: () => void) => Promise<T>} work  May release the lane before it ends.
 * @returns {Promise<T>}
 */
export async function onLane(work) {
  const release = await anyLane();
  try {
    return await work(release);
  } finally {
    release();
  }
}

/**
 * Do `work` unless another tab sends the same image.
 *
 * @param {string} id  Of the image.
 * @param {() => Promise<void>} work
 * @returns {Promise<boolean>}  False if another tab does.
 */
export async function alone(id, work) {
  return navigator.locks.request(lockOf(id), { ifAvailable: true }, async (lock) => {
    if (lock) await work();
    return lock !== null;
  });
}

/** @returns {Promise<() => void>}  What gives the lane back. */
function anyLane() {
  return new Promise((resolve) => {
    const waiting = new AbortController();
    let isTaken = false;
    for (const name of NAMES) {
      const asked = navigator.locks.request(name, { signal: waiting.signal }, () => {
        if (isTaken) return undefined; // another lane was faster
        isTaken = true;
        waiting.abort();
        return new Promise((release) => resolve(() => release(undefined)));
      });
      asked.catch(() => undefined); // aborted: that is what we wanted
    }
  });
}
