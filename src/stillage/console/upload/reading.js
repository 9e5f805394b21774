// Reads a file: where it has zeros, and the SHA-256 of pieces that the server may have.
//
// What is sent is a slice, which the browser reads from the disk while it sends, so of most bytes of a file only samples
// come through here. One step is in memory at a time, whatever the number of files and lanes.

/**
 * @typedef {import("./spans.js").Span} Span
 * @typedef {import("./zeros.js").Segment} Segment
 */

import { MIB } from "./pace.js";
import { FileChanged } from "./transport.js";
import { blocksOf, isZero, segments, shortestRun } from "./zeros.js";

/** Bytes that are read at once. */
const STEP = 4 * MIB;
/** Bytes that are looked at in each place where a run of zeros would be, before it is read. */
const SAMPLE = 4096;
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

  /**
   * Cut a piece into data and zeros: every run of zeros is found that is longer than the shortest by a sample.
   *
   * @param {Span} span
   * @returns {Promise<Segment[]>}  Throws FileChanged.
   */
  async prepare(span) {
    /** @type {Segment[]} */
    const parts = [];
    for (const step of stepsOf(span)) {
      if (!(await this.mayHaveZeros(step))) parts.push({ ...step, zeros: false });
      else await inTurn(async () => parts.push(...blocksOf(await this.read(step), step.first)));
    }
    return segments(parts, this.shortest);
  }

  /** @param {Span} step @returns {Promise<boolean>} */
  async mayHaveZeros(step) {
    const samples = [];
    for (let at = step.first; at < step.end; at += this.shortest) {
      samples.push(this.bytes({ first: at, end: Math.min(at + SAMPLE, step.end) }));
    }
    return (await Promise.all(samples)).some(isZero);
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

  /** Throws FileChanged if it is no longer the file that was chosen. */
  async requireUnchanged() {
    await this.bytes({ first: 0, end: 1 });
  }

  /** A few bytes. @param {Span} span @returns {Promise<Uint8Array>} */
  bytes(span) {
    return unchanged(span, async () => new Uint8Array(await this.slice(span).arrayBuffer()));
  }

  /** @param {Span} span @returns {Promise<Uint8Array<ArrayBuffer>>}  In the buffer that the next call reads into. */
  read(span) {
    return unchanged(span, () => this.fill(this.slice(span).stream().getReader({ mode: "byob" }), span.end - span.first));
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

/**
 * @template {Uint8Array} T
 * @param {Span} span
 * @param {() => Promise<T | null>} reading
 * @returns {Promise<T>}  Throws FileChanged unless it has all bytes.
 */
async function unchanged(span, reading) {
  try {
    const bytes = await reading();
    if (bytes?.length === span.end - span.first) return bytes;
  } catch {
    // NotReadableError and NotFoundError: browsers compare size and time of the file with those of when it was chosen
  }
  throw new FileChanged("the file changed on disk, or can no longer be read");
}

/** @param {Span} span @returns {Generator<Span>}  Its parts, to read one after the other. */
function* stepsOf(span) {
  for (let at = span.first; at < span.end; at += STEP) yield { first: at, end: Math.min(at + STEP, span.end) };
}

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
function inTurn(work) {
  const result = lastTurn.then(work);
  lastTurn = result.catch(() => undefined);
  return result;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function digestOf(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
