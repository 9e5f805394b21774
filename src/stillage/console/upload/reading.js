// Reads pieces of a file: where they have zeros, and the SHA-256 of what has to be sent.
//
// One piece is in memory at a time, whatever the number of files and lanes: what is sent is a slice, which the
// browser reads once more, and the digest proves that both times it was the same.

/**
 * @typedef {import("./spans.js").Span} Span
 * @typedef {import("./zeros.js").Segment & { digest: string }} Prepared
 */

import { FileChanged } from "./transport.js";
import { isZero, segments, shortestRun } from "./zeros.js";

/** The end of what all readers do, one after the other. @type {Promise<unknown>} */
let lastTurn = Promise.resolve();
/** The memory that they share. */
let kept = new ArrayBuffer(0);

export class Reader {
  /** @param {File} file */
  constructor(file) {
    this.file = file;
    this.shortest = shortestRun(file.size);
  }

  /** @param {Span} span @returns {Promise<Prepared[]>}  Throws FileChanged. */
  prepare(span) {
    return inTurn(async () => {
      const bytes = await this.read(span);
      const found = [];
      for (const part of segments(bytes, span.first, this.shortest)) {
        const data = bytes.subarray(part.first - span.first, part.end - span.first);
        found.push({ ...part, digest: part.zeros ? "" : await sha256(data) });
      }
      return found;
    });
  }

  /** Whether the file has nothing but zeros there. @param {Span} span @returns {Promise<boolean>} */
  isZero(span) {
    return inTurn(async () => isZero(await this.read(span)));
  }

  /** SHA-256 of the text `before`, and the bytes there. @param {Span} span @returns {Promise<Uint8Array>} */
  digest(span, before = "") {
    return inTurn(async () => {
      const bytes = await this.read(span);
      return digestOf(before ? new Uint8Array(await new Blob([before, bytes]).arrayBuffer()) : bytes);
    });
  }

  /** @param {Span} span */
  slice(span) {
    return this.file.slice(span.first, span.end);
  }

  /** @param {Span} span @returns {Promise<Uint8Array<ArrayBuffer>>}  In the buffer that the next call reads into. */
  async read(span) {
    try {
      const bytes = await this.fill(this.slice(span).stream().getReader({ mode: "byob" }), span.end - span.first);
      if (bytes) return bytes;
    } catch {
      // NotReadableError and NotFoundError: browsers compare size and time of the file with those of when it was chosen
    }
    throw new FileChanged("the file changed on disk, or can no longer be read");
  }

  /**
   * Read into the same memory again and again: what is left to the garbage collector piles up faster than it comes by.
   *
   * @param {ReadableStreamBYOBReader} reader
   * @param {number} length
   * @returns {Promise<Uint8Array<ArrayBuffer> | null>}  Null if there are fewer bytes.
   */
  async fill(reader, length) {
    let buffer = kept.byteLength < length ? new ArrayBuffer(length) : kept;
    for (let at = 0; at < length; ) {
      const { value } = await reader.read(new Uint8Array(buffer, at, length - at));
      if (!value?.length) return null;
      buffer = value.buffer;
      at += value.length;
    }
    kept = buffer;
    void reader.cancel();
    return new Uint8Array(buffer, 0, length);
  }
}

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
function inTurn(work) {
  const result = lastTurn.then(work);
  lastTurn = result.catch(() => undefined);
  return result;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Promise<string>}  In base64. */
async function sha256(bytes) {
  return btoa(String.fromCharCode(...(await digestOf(bytes))));
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function digestOf(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
