// The requests of one upload: ask the server what it has, send a piece of a file, send zeros.
//
// The address of an upload authorises them, so a session that expires meanwhile does not matter.

/**
 * @typedef {import("./answers.js").Answer} Answer
 * @typedef {import("./spans.js").Span} Span
 */

/** Without any progress for so long a request is taken for lost. The server waits for less. */
const STALLED_MS = 60_000;
const ASK_WITHIN_MS = 30_000;

/** No answer came. */
export class Broken extends Error {}
/** The file cannot be read: it was changed, moved or removed since it was chosen. */
export class FileChanged extends Error {}

/** What the server has. @param {string} url @returns {Promise<Answer>} */
export async function ask(url) {
  return answered(() => fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(ASK_WITHIN_MS) }));
}

/**
 * Ask which of some pieces are missing; with a proof, have the server take the others.
 *
 * @param {string} url
 * @param {{ first: number, digests: string, nonce?: string, proof?: string[] }} list
 * @returns {Promise<Answer>}
 */
export async function have(url, list) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(list);
  return answered(() => fetch(`${url}/have`, { method: "POST", headers, body, signal: AbortSignal.timeout(STALLED_MS) }));
}

/** Send zeros, which are only declared. @param {string} url @param {Span} span @param {number} size @returns {Promise<Answer>} */
export async function declareZeros(url, span, size) {
  const headers = { "Content-Range": contentRange(span, size), "Upload-Zeros": "?1" };
  return answered(() => fetch(url, { method: "PUT", headers, signal: AbortSignal.timeout(STALLED_MS) }));
}

/**
 * Send a piece. A request of `fetch` would not tell how far it is.
 *
 * @param {string} url
 * @param {Blob} body
 * @param {Span} span
 * @param {number} size
 * @param {{ signal: AbortSignal, progress: (bytes: number) => void, bodySent: () => void }} on
 * @returns {Promise<Answer>}
 */
export function sendPiece(url, body, span, size, { signal, progress, bodySent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer = 0;
    const wait = () => {
      clearTimeout(timer);
      timer = Number(setTimeout(() => request.abort(), STALLED_MS));
    };
    const stop = () => request.abort();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    };
    request.open("PUT", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Content-Range", contentRange(span, size));
    request.upload.onprogress = (event) => (wait(), progress(event.loaded));
    request.upload.onload = () => (wait(), bodySent());
    request.onload = () => (done(), resolve(answerOf(request.status, request.getResponseHeader("Retry-After"), request.responseText)));
    request.onerror = request.onabort = () => (done(), reject(new Broken("the connection broke")));
    signal.addEventListener("abort", stop);
    wait();
    request.send(body);
  });
}

/** @param {() => Promise<Response>} send @returns {Promise<Answer>} */
async function answered(send) {
  try {
    const response = await send();
    return answerOf(response.status, response.headers.get("Retry-After"), await response.text());
  } catch {
    throw new Broken("the server cannot be reached");
  }
}

/** @param {number} status @param {string | null} retryAfter @param {string} body @returns {Answer} */
function answerOf(status, retryAfter, body) {
  return { status, retryAfter, body };
}

/** @param {Span} span @param {number} size */
function contentRange(span, size) {
  return `bytes ${span.first}-${span.end - 1}/${size}`;
}
