// How an upload can end, and the name of the lock of who sends it. Pure; for the worker and the page.

const ENDED = new Set(["active", "refused", "failed"]);

/** @param {import("./engine.js").Upload} upload */
export function hasEnded(upload) {
  return ENDED.has(upload.phase);
}

const LOCK = "stillage-upload-";

/** The Web Lock that the one tab holds that sends this image. @param {string} id */
export function lockOf(id) {
  return LOCK + id;
}

/** @param {string} name @returns {string | null} The image whose upload holds the lock; null if it is another lock. */
export function imageOfLock(name) {
  return name.startsWith(LOCK) ? name.slice(LOCK.length) : null;
}
