// The thread that reads and sends files, so that the page stays quick. It knows uploads by a key of the page's.

/**
 * @typedef {import("./engine.js").Upload} Upload
 * @typedef {import("./engine.js").Document} Document
 * @typedef {{ type: "start", key: string, url: string, file: File, document: Document, proves: boolean }
 *   | { type: "pause" | "resume" | "retry" | "stop", key: string }
 *   | { type: "connection", isOffline: boolean }} Order
 * @typedef {{ key: string, upload: Upload, flying: number, sent: number }
 *   | { key: string, elsewhere: true }
 *   | { key: string, otherFile: true, document: Document }
 *   | { key: string, crashed: string }} Report
 */

import * as engine from "./engine.js";
import { alone } from "./lanes.js";
import { Sender } from "./sender.js";

/** Progress within a piece is told so often at most. */
const REPORT_EVERY_MS = 200;

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
  const sender = new Sender(url, file, document, reporter(key));
  senders.get(key)?.stop();
  senders.set(key, sender);
  if (isOffline) sender.upload = engine.held(sender.upload, { kind: "offline" });
  try {
    const work = async () => {
      if (proves && !(await sender.prove())) tell({ key, otherFile: true, document });
      else await sender.run();
    };
    if (!(await alone(key, work))) tell({ key, elsewhere: true });
  } catch (error) {
    tell({ key, crashed: String(error) });
  }
  if (senders.get(key) === sender) senders.delete(key);
}

/** @param {string} key @param {"pause" | "resume" | "retry" | "stop"} what */
function steer(key, what) {
  const sender = senders.get(key);
  if (!sender) return;
  if (what === "stop") sender.stop();
  else if (what === "retry") sender.set(engine.held(sender.upload, null));
  else sender.set(engine.setPaused(sender.upload, what === "pause"));
}

/** @param {boolean} offline */
function connect(offline) {
  isOffline = offline;
  for (const sender of senders.values()) {
    const kind = sender.upload.hold?.kind;
    if (offline && (!kind || kind === "retry")) sender.set(engine.held(sender.upload, { kind: "offline" }));
    if (!offline && (kind === "offline" || kind === "retry")) sender.set(engine.held(sender.upload, null));
  }
}

/** Reports changes at once, and mere progress from time to time. @param {string} key */
function reporter(key) {
  /** @type {Upload | null} */
  let last = null;
  let due = 0;
  return (/** @type {Upload} */ upload, /** @type {number} */ flying, /** @type {number} */ sent) => {
    const now = performance.now();
    if (upload === last && now < due) return;
    last = upload;
    due = now + REPORT_EVERY_MS;
    tell({ key, upload, flying, sent });
  };
}

/** @param {Report} report */
function tell(report) {
  self.postMessage(report);
}
