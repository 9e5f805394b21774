// Keys of the whole console. A letter does nothing while one types, with Ctrl, Alt or Meta, or in a dialog.

import { navigate } from "./router.js";
import { store } from "./store.js";

/** True while the list of keys is shown. */
export const keysShown = store(false);

/** Each key or pair of keys, with the end of the key of its text. @type {[string, string][]} */
export const KEYS = [
  ["/", "search"], ["u", "upload"], ["j", "next"], ["k", "previous"], ["Enter", "open"],
  ["g i", "images"], ["g u", "uploads"], ["g a", "access"], ["g j", "jobs"], ["?", "help"],
];
const PAIR_MS = 1500;

/** @param {{upload: () => void}} actions */
export function listenToKeys({ upload }) {
  let before = "";
  let at = 0;
  /** @type {Record<string, () => void>} */
  const acts = {
    "/": focusSearch,
    u: upload,
    j: () => moveRow(1),
    k: () => moveRow(-1),
    "g i": () => navigate("/images"),
    "g a": () => navigate("/access"),
    "g j": () => navigate("/jobs"),
    "g u": focusDock,
    "?": () => keysShown.set(true),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event) || document.querySelector("dialog[open]")) return;
    const pair = before && event.timeStamp - at < PAIR_MS ? `${before} ${event.key}` : "";
    const act = acts[pair] ?? acts[event.key];
    before = event.key === "g" ? "g" : "";
    at = event.timeStamp;
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** @param {KeyboardEvent} event */
function isTyping(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  return target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName) && target.getAttribute("type") !== "checkbox";
}

function focusSearch() {
  if (!document.getElementById("search")) navigate("/images");
  requestAnimationFrame(() => document.getElementById("search")?.focus());
}

function focusDock() {
  const dock = /** @type {HTMLElement | null} */ (document.querySelector("section.dock button"));
  if (dock) dock.focus();
  else navigate("/jobs");
}

/** Focus the link of the next row, or of the row before. @param {1 | -1} step */
function moveRow(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[now < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(now + step, 0), rows.length - 1)];
  /** @type {HTMLElement | null | undefined} */ (next?.querySelector("a"))?.focus();
}
