// What this browser remembers of unfinished uploads: which file it was, and in Chromium a handle to open it again.
//
// The server knows the uploads. Without this memory (a private window, a full disk) the user only has to choose the
// file again, so failures here are passed over.

/**
 * @typedef {object} Remembered
 * @property {string} id Of the image.
 * @property {string} fileName
 * @property {import("./fingerprint.js").Fingerprint} fingerprint
 * @property {FileSystemFileHandle | null} handle
 */

const DATABASE = "stillage";
const UPLOADS = "uploads";

/** @param {Remembered} upload @returns {Promise<boolean>} False if the browser keeps nothing. */
export async function remember(upload) {
  return (await using("readwrite", (uploads) => uploads.put(upload))) !== undefined;
}

/** @param {string} id */
export async function forget(id) {
  await using("readwrite", (uploads) => uploads.delete(id));
}

/** @returns {Promise<Map<string, Remembered>>} By the id of the image. */
export async function remembered() {
  const found = /** @type {Remembered[]} */ ((await using("readonly", (uploads) => uploads.getAll())) ?? []);
  return new Map(found.map((upload) => [upload.id, upload]));
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(uploads: IDBObjectStore) => IDBRequest} ask
 * @returns {Promise<unknown>} Undefined if it was not possible.
 */
async function using(mode, ask) {
  try {
    const database = await opened();
    try {
      const transaction = database.transaction(UPLOADS, mode);
      const request = ask(transaction.objectStore(UPLOADS));
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
      return request.result ?? null;
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}

/** @returns {Promise<IDBDatabase>} */
function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(UPLOADS, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
}
