// Reads pieces of a file: where they have zeros, and the SHA-256 of what has to be sent.
//
// One piece is in memory at a time, whatever the number of lanes: what is sent is a slice of the file, which the
// browser reads once more, and the digest proves that both times it was the same.

/**
 * @typedef {import("./spans.js").Span} Span
 * @typedef {import("./zeros.js").Segment & { digest: string }} Prepared
 */

import { FileChanged } from "./transport.js";
import { isZero, segments, shortestRun } from "./zeros.js";

export class Reader {
  /** @param {File} file */
  constructor(file) {
    this.file = file;
    this.shortest = shortestRun(file.size);
    /** @type {Promise<unknown>} */
    this.last = Promise.resolve();
  }

  /** @param {Span} span @returns {Promise<Prepared[]>}  Throws FileChanged. */
  prepare(span) {
    return this.inTurn(async () => {
      const bytes = await this.read(span);
      const found = [];
      for (const part of segments(bytes, span.first, this.shortest)) {
        const data = bytes.subarray(part.first - span.first, part.end - span.first);
        found.push({ ...part, digest: part.zeros ? "" : await sha256(data) });
      }
      free(bytes);
      return found;
    });
  }

  /** Whether the file has nothing but zeros there. @param {Span} span @returns {Promise<boolean>} */
  isZero(span) {
    return this.inTurn(async () => {
      const bytes = await this.read(span);
      const zero = isZero(bytes);
      free(bytes);
      return zero;
    });
  }

  /** @param {Span} span */
  slice(span) {
    return this.file.slice(span.first, span.end);
  }

  /** @param {Span} span @returns {Promise<Uint8Array<ArrayBuffer>>} */
  async read(span) {
    try {
      const bytes = new Uint8Array(await this.slice(span).arrayBuffer());
      if (bytes.length === span.end - span.first) return bytes;
    } catch {
      // NotReadableError and NotFoundError: browsers compare size and time of the file with those of when it was chosen
    }
    throw new FileChanged("the file changed on disk, or can no longer be read");
  }

  /** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  inTurn(work) {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Promise<string>}  In base64. */
async function sha256(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))));
}

/** Give the memory back at once, not when the collector comes by. @param {Uint8Array<ArrayBuffer>} bytes */
function free(bytes) {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
}
