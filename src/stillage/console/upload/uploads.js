// The uploads that the dock shows, and what can be done with them. The worker sends; here is what the page knows.

import { announce } from "../core/announce.js";
import { addressOf, ApiError, request } from "../core/api.js";
import { config } from "../core/config.js";
import { percent, t } from "../core/i18n.js";
import { session } from "../core/session.js";
import { store } from "../core/store.js";
import { recordOf } from "./commands.js";
import { doneOf, ratesOf, sampled, tenth } from "./figures.js";
import { fingerprint } from "./fingerprint.js";
import { forgetOffers, offer, withdraw } from "./handing_over.js";
import { forget, remember } from "./memory.js";
import { hasEnded } from "./phases.js";

/**
 * @typedef {import("./engine.js").Upload} Upload
 * @typedef {import("./engine.js").Problem} Problem
 * @typedef {object} Row
 * @property {string} id Of the image.
 * @property {string} imageName
 * @property {string | null} fileName Null while the file has to be chosen.
 * @property {number} size
 * @property {"preparing" | "running" | "needs-file" | "elsewhere" | "failed"} stage
 * @property {Upload | null} upload As the worker last said.
 * @property {number} share Done, from 0 to 1: of the bytes, or while verifying of those.
 * @property {number} done Bytes.
 * @property {number} sent Bytes sent over the network by this page.
 * @property {import("./figures.js").Sample[]} samples
 * @property {Problem | null} problem
 * @property {import("./memory.js").Remembered | null} known What this browser remembers of the file.
 * @property {any} document The server's, of an upload that waits for its file.
 */

/** @type {import("../core/store.js").Store<Row[]>} */
export const rows = store(/** @type {Row[]} */ ([]));
/** Files by the id of their image, for trying again. @type {Map<string, File>} */
const files = new Map();
/** @type {Worker | null} */
let worker = null;

/** @param {string} id @param {Partial<Row>} changes */
export function change(id, changes) {
  rows.set(rows.get().map((row) => (row.id === id ? { ...row, ...changes } : row)));
}

/** @param {Pick<Row, "id" | "imageName" | "fileName" | "size" | "stage"> & Partial<Row>} row */
export function addRow(row) {
  const nothing = { upload: null, share: 0, done: 0, sent: 0, samples: [], problem: null, known: null, document: null };
  rows.set([...rows.get().filter((other) => other.id !== row.id), { ...nothing, ...row }]);
}

/** Whether closing the page would interrupt something. */
export function isBusy() {
  return rows.get().some((row) => row.stage === "preparing" || (row.stage === "running" && row.upload && isSending(row.upload)));
}

/** Whether something moves that must not stop because nobody touches the machine. */
export function isMoving() {
  return rows.get().some(({ stage, upload }) => stage === "preparing" || (stage === "running" && upload && isSending(upload) && canMove(upload)));
}

/** Without the user. @param {Upload} upload */
function canMove({ paused, hold }) {
  return !paused && (!hold || hold.kind === "retry");
}

/** @param {Upload} upload */
function isSending(upload) {
  return !hasEnded(upload) && upload.phase !== "verifying";
}

/**
 * Make an image and send its file.
 *
 * @param {import("./commands.js").NewImage} image
 * @param {import("./wanted.js").Chosen} chosen
 */
export async function createImage(image, { file, handle }) {
  const id = crypto.randomUUID(); // ours, so that it is remembered before the record is made
  addRow({ id, imageName: image.name, fileName: file.name, size: file.size, stage: "preparing" });
  files.set(id, file);
  try {
    await remember({ id, fileName: file.name, fingerprint: await fingerprint(file), handle });
    await request("POST", "/v2/images", { body: { ...recordOf(image), id } });
    await openUpload(id);
  } catch (error) {
    fail(id, error);
  }
}

/** @param {string} id */
async function openUpload(id) {
  const file = /** @type {File} */ (files.get(id));
  const { json } = await request("POST", `/v2/images/${id}/uploads`, { body: { size: file.size } });
  start(id, file, json, false);
}

/**
 * Let the worker send a file.
 *
 * @param {string} id
 * @param {File} file
 * @param {any} document Of the upload.
 * @param {boolean} proves Compare a few bytes with those at the server first.
 */
export function start(id, file, document, proves) {
  files.set(id, file);
  change(id, { stage: "running", fileName: file.name, problem: null, document, upload: null });
  order({ type: "start", key: id, url: addressOf(document.url), file, document, proves });
}

/** @param {import("./worker.js").Order} what */
function order(what) {
  if (!worker) {
    worker = new Worker(`${config.files}/upload/worker.js`, { type: "module" });
    worker.onmessage = ({ data }) => heard(data);
    worker.onerror = (event) => rows.get().forEach((row) => row.stage === "running" && fail(row.id, new Error(event.message)));
    if (!navigator.onLine) tellConnection();
  }
  worker.postMessage(what);
}

/** @param {import("./worker.js").Report} report */
function heard(report) {
  const row = rows.get().find((each) => each.id === report.key);
  if (!row) return;
  if ("elsewhere" in report) change(row.id, { stage: "elsewhere" });
  else if ("crashed" in report) fail(row.id, new Error(report.crashed));
  else if ("otherFile" in report) change(row.id, { stage: "needs-file", problem: { message: t("upload.other_file") } });
  else progress(row, report);
}

/** @param {Row} row @param {Extract<import("./worker.js").Report, { upload: Upload }>} report */
function progress(row, { upload, flying, sent }) {
  const file = files.get(row.id);
  if (!row.upload && file) offer(row.id, file); // only now this tab has the lock
  const done = doneOf(upload, flying);
  const isVerifying = upload.phase === "verifying";
  const share = isVerifying ? upload.verified / upload.size : done / upload.size;
  const samples = sampled(row.samples, { at: performance.now(), done, sent });
  change(row.id, { upload, done, share, samples, sent });
  const passed = row.upload?.phase === upload.phase ? tenth(row.share, share) : null;
  if (passed) announce(t(isVerifying ? "upload.say.verified" : "upload.say.sent", { name: row.imageName, percent: percent(passed / 100) }));
  if (hasEnded(upload) && !(row.upload && hasEnded(row.upload))) ended(row, upload);
}

/** @param {Row} row @param {Upload} upload */
function ended(row, upload) {
  announce(t(`upload.say.${upload.phase}`, { name: row.imageName, why: upload.problem?.message ?? "" }));
  if (upload.phase === "active") files.delete(row.id);
  withdraw(row.id);
  void forget(row.id);
  dispatchEvent(new CustomEvent("stillage-image", { detail: { id: row.id } })); // pages that show it ask again
}

/** @param {string} id @param {unknown} error */
function fail(id, error) {
  const { message, status, code, fix, rule } = /** @type {ApiError} */ (error instanceof Error ? error : new Error(String(error)));
  change(id, { stage: "failed", problem: { message, status, code, fix: null, rule: rule || null, hint: fix } });
}

/** @param {string} id @param {"pause" | "resume" | "retry"} what */
export function steer(id, what) {
  order({ type: what, key: id });
}

/** Try again what failed before the upload began or ended. @param {string} id */
export async function tryAgain(id) {
  change(id, { stage: "preparing", problem: null, upload: null, samples: [] });
  try {
    await openUpload(id);
  } catch (error) {
    fail(id, error);
  }
}

/** Send another file in the place of a refused one. @param {string} id @param {File} file */
export async function replaceFile(id, file) {
  files.set(id, file);
  change(id, { fileName: file.name, size: file.size, done: 0, share: 0 });
  await remember({ id, fileName: file.name, fingerprint: await fingerprint(file), handle: null });
  await tryAgain(id);
}

/** @param {string} id @returns {boolean} */
export function hasFile(id) {
  return files.has(id);
}

/** Take a row out of the dock. What the server has of it stays. @param {string} id */
export function dismissRow(id) {
  files.delete(id);
  rows.set(rows.get().filter((row) => row.id !== id));
}

/** End an upload and remove its image. @param {string} id */
export async function abandon(id) {
  withdraw(id); // before its lock is free
  order({ type: "pause", key: id });
  try {
    await request("DELETE", `/v2/images/${id}`);
  } catch (error) {
    if (/** @type {ApiError} */ (error).status !== 404) throw error;
  }
  order({ type: "stop", key: id }); // only now: a tab that gets its lock looks for what is unfinished
  await forget(id);
  dismissRow(id);
  dispatchEvent(new CustomEvent("stillage-image", { detail: { id } }));
}

/** @param {Row} row */
export function speedOf(row) {
  return ratesOf(row.samples, row.size);
}

function tellConnection() {
  worker?.postMessage({ type: "connection", isOffline: !navigator.onLine });
}

/** Whoever signs in next sees nothing of it; the uploads themselves wait at the server. */
session.subscribe(() => {
  if (session.get()) return;
  worker?.terminate();
  worker = null;
  forgetOffers();
  files.clear();
  rows.set([]);
});

addEventListener("online", tellConnection);
addEventListener("offline", tellConnection);
