// How an upload can end. Pure; for the worker and the page.

const ENDED = new Set(["active", "refused", "failed"]);

/** @param {import("./engine.js").Upload} upload */
export function hasEnded(upload) {
  return ENDED.has(upload.phase);
}
