// The thread that reads and sends files, so that the page stays quick. It knows uploads by a key of the page's.

/**
 * @typedef {import("./engine.js").Upload} Upload
 * @typedef {import("./engine.js").Document} Document
 * @typedef {{ type: "start", key: string, url: string, file: File, document: Document, proves: boolean }
 *   | { type: "pause" | "resume" | "retry" | "stop", key: string }
 *   | { type: "connection", isOffline: boolean }} Order
 * @typedef {{ key: string, upload: Upload, flying: number, sent: number }
 *   | { key: string, elsewhere: true }
 *   | { key: string, otherFile: true }
 *   | { key: string, crashed: string }} Report
 */

import { held, setPaused } from "./engine.js";
import { alone } from "./lanes.js";
import { Sender } from "./sender.js";

/** Progress is told so often at most: the page draws each report. */
const REPORT_EVERY_MS = 250;

/** @type {Map<string, Sender>} */
const senders = new Map();
let isOffline = false;

self.onmessage = (/** @type {MessageEvent<Order>} */ { data: order }) => {
  if (order.type === "start") void start(order);
  else if (order.type === "connection") connect(order.isOffline);
  else steer(order.key, order.type);
};

/** @param {Extract<Order, { type: "start" }>} order */
async function start({ key, url, file, document, proves }) {
  const before = senders.get(key);
  const sender = new Sender(url, file, document, reporter(key));
  senders.set(key, sender);
  before?.stop();
  await before?.ended; // its lock too
  if (isOffline) sender.upload = held(sender.upload, { kind: "offline" });
  sender.ended = sendAlone(key, sender, proves).then(
    (isOurs) => isOurs || tell({ key, elsewhere: true }),
    (error) => tell({ key, crashed: String(error) }),
  );
  await sender.ended;
  if (senders.get(key) === sender) senders.delete(key);
}

/** @param {string} key @param {Sender} sender @param {boolean} proves @returns {Promise<boolean>} False if another tab sends. */
function sendAlone(key, sender, proves) {
  return alone(key, async () => {
    if (proves && !(await sender.prove())) tell({ key, otherFile: true });
    else await sender.run();
  });
}

/** @param {string} key @param {"pause" | "resume" | "retry" | "stop"} what */
function steer(key, what) {
  const sender = senders.get(key);
  if (!sender) return;
  if (what === "stop") sender.stop();
  else if (what === "retry") sender.set(held(sender.upload, null));
  else sender.set(setPaused(sender.upload, what === "pause"));
}

/** @param {boolean} offline */
function connect(offline) {
  isOffline = offline;
  for (const sender of senders.values()) {
    const kind = sender.upload.hold?.kind;
    if (offline && (!kind || kind === "retry")) sender.set(held(sender.upload, { kind: "offline" }));
    if (!offline && (kind === "offline" || kind === "retry")) sender.set(held(sender.upload, null));
  }
}

/** Reports what the user should see at once, and mere progress from time to time. @param {string} key */
function reporter(key) {
  /** @type {Upload | null} */
  let last = null;
  let due = 0;
  return (/** @type {Upload} */ upload, /** @type {number} */ flying, /** @type {number} */ sent) => {
    const now = performance.now();
    if (now < due && last?.phase === upload.phase && last.hold === upload.hold && last.paused === upload.paused) return;
    last = upload;
    due = now + REPORT_EVERY_MS;
    tell({ key, upload, flying, sent });
  };
}

/** @param {Report} report */
function tell(report) {
  self.postMessage(report);
}
