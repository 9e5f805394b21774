// Tell people what changed: a text for screen readers, and one that is seen for a while.

import { store } from "./store.js";

/** @typedef {{id: number, text: string, kind: "done" | "problem"}} Notice */

/** @type {import("./store.js").Store<Notice[]>} */
export const notices = store(/** @type {Notice[]} */ ([]));
const SHOWN_MS = 6000;
let noticeId = 0;

/** @type {string[]} */
const waiting = [];
const GATHERED_MS = 100;

/** Let a screen reader say *text* when it is free. What is told at the same moment is said together. @param {string} text */
export function announce(text) {
  waiting.push(text);
  if (waiting.length > 1) return;
  const region = document.getElementById("announcer");
  if (region) region.textContent = ""; // the same text again is news only after an empty region
  setTimeout(() => {
    if (region) region.textContent = waiting.join(" ");
    waiting.length = 0;
  }, GATHERED_MS);
}

/** Show and say *text* for some seconds; a problem stays until it is closed. @param {string} text @param {"done" | "problem"} [kind] */
export function notify(text, kind = "done") {
  noticeId += 1;
  const id = noticeId;
  notices.set([...notices.get().slice(-3), { id, text, kind }]);
  announce(text);
  if (kind === "done") setTimeout(() => dismiss(id), SHOWN_MS);
}

/** @param {number} id */
export function dismiss(id) {
  notices.set(notices.get().filter((notice) => notice.id !== id));
}
