// Find long runs of zeros in the bytes of a piece, which need not be sent. Pure.

/**
 * @typedef {import("./spans.js").Span} Span
 * @typedef {Span & { readonly zeros: boolean }} Segment  A part of a piece: data, or nothing but zeros.
 */

const MIB = 1 << 20;
/** The grid on which zeros are looked for. A run has at least so many bytes. */
export const BLOCK = 64 * 1024;
/** The server keeps at most 4,096 separate ranges; shorter runs of a large file are sent as data. */
const MOST_RUNS = 4096;

/** The shortest run that is worth a request of its own, in bytes. @param {number} size  Of the whole file. */
export function shortestRun(size) {
  return Math.max(MIB, Math.ceil(size / MOST_RUNS));
}

/** True if all bytes are zero. Reads four at a time where they are aligned. @param {Uint8Array} bytes */
export function isZero(bytes) {
  const whole = bytes.byteOffset % 4 === 0 ? bytes.length - (bytes.length % 4) : 0;
  const words = new Int32Array(bytes.buffer, whole ? bytes.byteOffset : 0, whole / 4);
  for (let index = 0; index < words.length; index++) if (words[index]) return false;
  for (let index = whole; index < bytes.length; index++) if (bytes[index]) return false;
  return true;
}

/**
 * The blocks of some bytes, each as data or zeros.
 *
 * @param {Uint8Array} bytes
 * @param {number} first  Offset of the first byte in the file.
 * @returns {Generator<Segment>}
 */
export function* blocksOf(bytes, first) {
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, bytes.length);
    yield { first: first + at, end: first + end, zeros: isZero(bytes.subarray(at, end)) };
  }
}

/**
 * Cut a piece into data and zeros.
 *
 * @param {Iterable<Segment>} parts  Of the piece, in order, without gaps.
 * @param {number} shortest  Shorter runs of zeros count as data, unless the piece is nothing else.
 * @returns {Segment[]}      In order, without gaps.
 */
export function segments(parts, shortest) {
  const runs = joined(parts);
  if (runs.length < 2) return runs;
  return joined(runs.map((run) => ({ ...run, zeros: run.zeros && run.end - run.first >= shortest })));
}

/** @param {Iterable<Segment>} parts @returns {Segment[]} */
function joined(parts) {
  /** @type {Segment[]} */
  const found = [];
  for (const part of parts) add(found, part);
  return found;
}

/** @param {Segment[]} found @param {Segment} run */
function add(found, run) {
  const last = found[found.length - 1];
  if (last && last.zeros === run.zeros) found[found.length - 1] = { ...last, end: run.end };
  else found.push(run);
}
