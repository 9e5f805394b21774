// Ranges of bytes: join them, find the gaps between them, count them. Pure.

/**
 * @typedef {{ readonly first: number, readonly end: number }} Span  Bytes from `first` up to, not including, `end`.
 */

/**
 * The same bytes as ranges in order that neither touch nor overlap.
 *
 * @param {readonly Span[]} spans  In any order; may overlap.
 * @returns {Span[]}
 */
export function merged(spans) {
  /** @type {Span[]} */
  const found = [];
  for (const span of [...spans].sort((a, b) => a.first - b.first)) {
    const last = found[found.length - 1];
    if (span.end <= span.first) continue;
    if (last && span.first <= last.end) found[found.length - 1] = { first: last.first, end: Math.max(last.end, span.end) };
    else found.push({ first: span.first, end: span.end });
  }
  return found;
}

/**
 * What `spans` leave free of `whole`.
 *
 * @param {readonly Span[]} spans  Merged.
 * @param {Span} whole
 * @returns {Span[]}
 */
export function gaps(spans, whole) {
  /** @type {Span[]} */
  const found = [];
  let at = whole.first;
  for (const span of spans) {
    if (span.first >= whole.end) break;
    if (span.first > at) found.push({ first: at, end: span.first });
    at = Math.max(at, span.end);
  }
  if (at < whole.end) found.push({ first: at, end: whole.end });
  return found;
}

/** @param {readonly Span[]} spans  Merged. @returns {number} Bytes. */
export function total(spans) {
  return spans.reduce((sum, span) => sum + span.end - span.first, 0);
}

/**
 * The ranges of a document of the API, whose ends are inclusive.
 *
 * @param {readonly (readonly [number, number])[]} ranges
 * @returns {Span[]}
 */
export function fromRanges(ranges) {
  return merged(ranges.map(([first, last]) => ({ first, end: last + 1 })));
}
