// Where bytes are in a picture of a file or a disk, as parts of its width. Pure.

/** @typedef {{first: number, end: number}} Span */
/** @typedef {{at: number, width: number}} Part Both from 0 to 100. */

/** Narrower parts could not be seen. */
const LEAST = 0.15;

/** @param {Span} span @param {number} size @returns {Part} */
export function partOf(span, size) {
  if (size <= 0) return { at: 0, width: 100 };
  const at = (Math.max(0, Math.min(span.first, size)) / size) * 100;
  const end = (Math.max(0, Math.min(span.end, size)) / size) * 100;
  const width = Math.max(LEAST, end - at);
  return { at: Math.min(at, 100 - width), width };
}

/** @param {number} value @returns {string} For an attribute. */
export function percentage(value) {
  return `${Math.round(value * 1000) / 1000}%`;
}

/**
 * Neighbours of the same kind as one run.
 *
 * @template T
 * @param {readonly T[]} cells
 * @returns {{kind: T, first: number, end: number}[]} In cells.
 */
export function runsOf(cells) {
  /** @type {{kind: T, first: number, end: number}[]} */
  const runs = [];
  cells.forEach((kind, index) => {
    const last = runs[runs.length - 1];
    if (last && last.kind === kind) last.end = index + 1;
    else runs.push({ kind, first: index, end: index + 1 });
  });
  return runs;
}

/** How dark a cell is, in five steps: 0 is empty, and the least data is seen. @param {number} share From 0 to 1. */
export function shadeOf(share) {
  return share <= 0 ? 0 : Math.max(1, Math.min(4, Math.ceil(share * 4)));
}

/**
 * Partitions, and the space that belongs to none, in order.
 *
 * @template {{first: number, length: number}} T
 * @param {readonly T[]} partitions
 * @param {number} size Of the disk.
 * @returns {{span: Span, partition: T | null}[]}
 */
export function withGaps(partitions, size) {
  /** @type {{span: Span, partition: T | null}[]} */
  const found = [];
  let at = 0;
  for (const partition of [...partitions].sort((a, b) => a.first - b.first)) {
    if (partition.first > at) found.push({ span: { first: at, end: partition.first }, partition: null });
    const end = Math.min(size, partition.first + partition.length);
    found.push({ span: { first: partition.first, end }, partition });
    at = Math.max(at, end);
  }
  if (at < size) found.push({ span: { first: at, end: size }, partition: null });
  return found;
}
