// Unfinished uploads after a reload, and those begun on another machine: the server lists them, the user gives the file.

import { getJson } from "../core/api.js";
import { config } from "../core/config.js";
import { t } from "../core/i18n.js";
import { session } from "../core/session.js";
import { fingerprint, isSame } from "./fingerprint.js";
import { offered } from "./handing_over.js";
import { forget, remembered } from "./memory.js";
import { imageOfLock, lockOf } from "./phases.js";
import { addRow, change, dismissRow, rows, start } from "./uploads.js";

/** @typedef {import("./uploads.js").Row} Row */

/** So long after its last byte an upload that this browser does not know is taken for one that runs elsewhere. */
const RUNS_S = 30;

/** Show the uploads that wait for their file. */
export async function findUnfinished() {
  const [documents, known, running] = await Promise.all([openUploads(), remembered(), runningElsewhere()]);
  for (const document of documents) {
    const id = document.image_id;
    const memory = known.get(id) ?? null;
    if (rows.get().some((row) => row.id === id)) continue;
    const isElsewhere = running.has(id);
    const file = offered(id);
    if (!memory && !isElsewhere && !file && isFresh(document)) {
      lookAgain();
      continue;
    }
    const received = document.size ? document.received / document.size : 0;
    addRow({
      id, imageName: await nameOf(id), fileName: null, size: document.size ?? memory?.fingerprint.size ?? 0,
      stage: isElsewhere ? "elsewhere" : "needs-file", document, known: memory, done: document.received, share: received,
    });
    if (!isElsewhere) await resumeAlone(id);
  }
  const open = new Set(documents.map((document) => document.image_id));
  for (const id of known.keys()) if (!open.has(id) && !rows.get().some((row) => row.id === id)) await forget(id);
}

/** Go on without the user, with the file that a closed tab left or that the browser may open. @param {string} id */
async function resumeAlone(id) {
  const file = offered(id);
  const handle = rows.get().find((row) => row.id === id)?.known?.handle;
  if (file) await resumeWith(id, file);
  else if (handle && (await permission(handle, false))) await resumeByHandle(id);
}

let lookingAgain = 0;

/** Look again when an upload that seems to run elsewhere should have stopped. */
function lookAgain() {
  clearTimeout(lookingAgain);
  lookingAgain = Number(setTimeout(() => session.get() && findUnfinished(), RUNS_S * 1000));
}

/** The user's own. @returns {Promise<any[]>} */
async function openUploads() {
  const { uploads } = await getJson("/v2/uploads?status=receiving");
  return uploads.filter((/** @type {any} */ upload) => upload.user_id === session.get()?.user.id);
}

/** Whether its last byte came just now. @param {any} document */
function isFresh({ expires_at: expires }) {
  return Date.now() / 1000 - (Date.parse(expires) / 1000 - config.limits.upload_age_s) < RUNS_S;
}

/** Ids of images that other tabs send. @returns {Promise<Set<string>>} */
async function runningElsewhere() {
  const { held = [] } = await navigator.locks.query();
  return new Set(held.map(({ name = "" }) => imageOfLock(name)).filter((id) => id !== null));
}

/** Images whose other tab we wait for. @type {Set<string>} */
const watched = new Set();

/** Look again at uploads of other tabs when those have ended, or were closed. */
export function watchOtherTabs() {
  for (const { id, stage } of rows.get()) {
    if (stage !== "elsewhere" || watched.has(id)) continue;
    watched.add(id);
    void navigator.locks.request(lockOf(id), () => undefined).then(() => {
      watched.delete(id);
      dismissRow(id);
      return findUnfinished();
    });
  }
}

/** @param {string} id @returns {Promise<string>} */
async function nameOf(id) {
  return (await getJson(`/v2/images/${id}`)).name ?? id;
}

/** Go on with a file that the user chose. @param {string} id @param {File} file */
export async function resumeWith(id, file) {
  const row = rows.get().find((each) => each.id === id);
  if (!row) return;
  const why = await whyNot(row, file);
  if (why) change(id, { problem: { message: why } });
  else await startAgain(row, file);
}

/** Go on with the file that the browser remembers; it may ask the user. @param {string} id */
export async function resumeByHandle(id) {
  const row = rows.get().find((each) => each.id === id);
  const handle = row?.known?.handle;
  if (!row || !handle || !(await permission(handle, true))) return;
  try {
    await resumeWith(id, await handle.getFile());
  } catch {
    change(id, { problem: { message: t("upload.file_gone", { file: handle.name }) }, known: null });
  }
}

/** @param {FileSystemFileHandle} handle @param {boolean} ask @returns {Promise<boolean>} */
async function permission(handle, ask) {
  const wanted = { mode: "read" };
  const asked = /** @type {any} */ (handle);
  try {
    const state = ask ? await asked.requestPermission(wanted) : await asked.queryPermission(wanted);
    return state === "granted";
  } catch {
    return false;
  }
}

/** Why a file is not the one of the upload; null if it seems to be. @param {Row} row @param {File} file */
async function whyNot(row, file) {
  if (row.document?.size && file.size !== row.document.size) {
    return t("upload.other_size", { file: file.name, bytes: file.size, wanted: row.document.size });
  }
  const known = row.known?.fingerprint;
  if (known && !isSame(known, await fingerprint(file))) return t("upload.other_file");
  return null;
}

/** @param {Row} row @param {File} file */
async function startAgain(row, file) {
  try {
    const [document] = (await getJson(`/v2/images/${row.id}/uploads`)).uploads;
    if (!document) throw new Error(t("upload.gone"));
    start(row.id, file, document, true);
  } catch (error) {
    change(row.id, { problem: { message: /** @type {Error} */ (error).message } });
  }
}
