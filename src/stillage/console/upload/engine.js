// Decides what an upload sends next, from what the server has said and what went wrong. Pure: no requests, no clock.
//
// The first piece goes alone, and nothing else until the server has verified it: an image that its header condemns is
// refused for one MiB. Ranges are the server's word; a request that failed makes them stale until it is asked again.

/**
 * @typedef {import("./spans.js").Span} Span
 * @typedef {import("./pace.js").Pace} Pace
 * @typedef {"checking" | "sending" | "verifying" | "active" | "refused" | "failed"} Phase
 * @typedef {{ message: string, code?: string, status?: number, rule?: string | null, offset?: number | null,
 *   found?: string | null, declared?: string | null, fix?: string | null, hint?: string }} Problem
 * @typedef {{ kind: "retry", why: string, until: number } | { kind: "offline" } | { kind: "file", why: string }
 *   | { kind: "server", why: string }} Hold  Why nothing is sent for now. The last two wait for the user.
 *
 * @typedef {object} Document  The API's document of an upload, as far as it is used here.
 * @property {readonly (readonly [number, number])[]} ranges
 * @property {number} verified
 * @property {boolean} complete
 * @property {string | null} [suspended]
 *
 * @typedef {object} Upload
 * @property {number} size
 * @property {Phase} phase
 * @property {readonly Span[]} received  What the server has; merged.
 * @property {readonly Span[]} flying    Pieces on their way.
 * @property {number} verified           Bytes that the server has hashed and inspected.
 * @property {Pace} pace
 * @property {number} lanes
 * @property {boolean} paused            By the user.
 * @property {Hold | null} hold
 * @property {boolean} stale             The server must be asked what it has before anything is sent.
 * @property {number} failures           In a row.
 * @property {number} resets             Requests in a row that broke while the server could be asked.
 * @property {Problem | null} problem    Why it is refused or failed.
 * @property {number | null} limit       Bytes of the largest piece that a proxy lets through, if one refused a larger.
 */

import { FIRST_PACE, MIB, halved, lanesFor, paced, pauseMs, pieceOf } from "./pace.js";
import { hasEnded } from "./phases.js";
import { fromRanges, gaps, merged, total } from "./spans.js";

/** Bytes at the end that go when all others have arrived: until then a file that changes is noticed before its image is whole. */
const LAST = 64 * 1024;
/** So many broken requests of a size that another one could pass are taken for a limit on the way. */
const RESETS_OF_A_LIMIT = 3;

/**
 * @param {number} size  Of the file.
 * @param {Document} document
 * @returns {Upload}
 */
export function begin(size, document) {
  /** @type {Upload} */
  const upload = {
    size, phase: "checking", received: [], flying: [], verified: 0, pace: FIRST_PACE, lanes: lanesFor(size),
    paused: false, hold: null, stale: false, failures: 0, resets: 0, problem: null, limit: null,
  };
  return heard(upload, document);
}

/** The bytes of the first piece. @param {Upload} upload */
export function firstPiece(upload) {
  return Math.min(MIB, upload.size, upload.pace.most);
}

/**
 * What to send now; null if nothing, or nothing yet.
 *
 * @param {Upload} upload
 * @returns {Span | null}
 */
export function next(upload) {
  if (upload.paused || upload.hold || upload.stale || hasEnded(upload) || upload.phase === "verifying") return null;
  if (upload.flying.length >= (upload.phase === "checking" ? 1 : upload.lanes)) return null;
  const first = firstPiece(upload);
  const whole = { first: 0, end: upload.phase === "checking" ? first : endFor(upload) };
  const free = gaps(merged([...upload.received, ...upload.flying]), whole);
  const [gap] = free;
  return gap ? { first: gap.first, end: Math.min(gap.end, gap.first + pieceOf(upload.pace, total(free), upload.lanes)) } : null;
}

/** The end of what may be sent now. @param {Upload} upload */
function endFor({ size, received, flying }) {
  const last = Math.max(0, size - LAST);
  return flying.length || gaps(received, { first: 0, end: last }).length ? last : size;
}

/** @param {Upload} upload @param {Span} piece @returns {Upload} */
export function taken(upload, piece) {
  return { ...upload, flying: [...upload.flying, piece] };
}

/**
 * A piece of zeros made longer by up to `bytes`, as far as nobody else sends what follows; null if it cannot grow.
 *
 * @param {Upload} upload
 * @param {Span} piece  On its way.
 * @param {number} bytes
 * @returns {{ upload: Upload, piece: Span } | null}
 */
export function grown(upload, piece, bytes) {
  const wanted = { first: piece.end, end: Math.min(endFor(upload), piece.end + bytes) };
  const [gap] = gaps(merged([...upload.received, ...upload.flying]), wanted);
  if (upload.phase !== "sending" || !gap || gap.first !== piece.end) return null;
  const longer = { first: piece.first, end: gap.end };
  return { upload: { ...upload, flying: replaced(upload.flying, piece, longer) }, piece: longer };
}

/**
 * A part of a piece, from its first byte, has arrived.
 *
 * @param {Upload} upload
 * @param {Span} piece    As it was on its way.
 * @param {Span} part
 * @param {number} tookMs
 * @param {boolean} zeros  Nothing was sent for it.
 * @returns {{ upload: Upload, rest: Span | null }}  What is left of the piece is still on its way.
 */
export function arrived(upload, piece, part, tookMs, zeros) {
  const rest = part.end < piece.end ? { first: part.end, end: piece.end } : null;
  const length = part.end - part.first;
  const after = {
    ...upload, failures: 0, resets: 0, received: merged([...upload.received, part]),
    flying: replaced(upload.flying, piece, rest),
    pace: zeros ? upload.pace : paced(upload.pace, length, tookMs),
  };
  return { upload: settled(after), rest };
}

/**
 * The server has told what it has. While requests are on their way that can be older than what they were answered.
 *
 * @param {Upload} upload
 * @param {Document} document
 * @returns {Upload}
 */
export function heard(upload, document) {
  if (hasEnded(upload)) return upload;
  const ranges = fromRanges(document.ranges);
  const received = upload.flying.length ? merged([...upload.received, ...ranges]) : ranges;
  const verified = Math.max(upload.flying.length ? upload.verified : 0, document.verified);
  const hold = document.suspended ? { kind: /** @type {const} */ ("server"), why: document.suspended } : upload.hold;
  const after = { ...upload, received, verified, hold, stale: false };
  return document.complete ? succeeded(after) : settled(after);
}

/** @param {Upload} upload @returns {Upload} */
function settled(upload) {
  if (hasEnded(upload)) return upload;
  const isWhole = total(upload.received) >= upload.size;
  const isChecked = isWhole || (upload.verified >= firstPiece(upload) && total(upload.received) > 0);
  const phase = isWhole ? "verifying" : isChecked || upload.phase !== "checking" ? "sending" : "checking";
  return { ...upload, phase };
}

/** The verification of the first piece takes too long to wait for. @param {Upload} upload @returns {Upload} */
export function impatient(upload) {
  return upload.phase === "checking" && total(upload.received) > 0 ? { ...upload, phase: "sending" } : upload;
}

/**
 * A request broke, or was answered with something that passes. Its bytes are sent again, after a pause.
 *
 * @param {Upload} upload
 * @param {Span | null} piece  Null if the request was only a question.
 * @param {{ why: string, now: number, random: number, atLeastMs?: number, broken?: boolean }} failure
 * @returns {Upload}
 */
export function failed(upload, piece, { why, now, random, atLeastMs = 0, broken = false }) {
  if (hasEnded(upload)) return upload;
  const failures = upload.hold?.kind === "retry" ? upload.failures : upload.failures + 1; // one outage breaks all lanes
  const flying = piece ? replaced(upload.flying, piece, null) : upload.flying;
  const until = now + pauseMs(Math.max(1, failures), random, atLeastMs);
  const hold = upload.hold && upload.hold.kind !== "retry" ? upload.hold : { kind: /** @type {const} */ ("retry"), why, until };
  const after = { ...upload, failures, flying, stale: true, hold };
  return broken && piece ? doubted(after, piece) : after;
}

/** Some proxies cut the connection where others say 413. @param {Upload} upload @param {Span} piece @returns {Upload} */
function doubted(upload, piece) {
  const resets = upload.resets + 1;
  const pace = piece.end - piece.first > MIB && resets >= RESETS_OF_A_LIMIT ? halved(upload.pace, piece.end - piece.first) : null;
  return pace ? { ...upload, pace, resets: 0 } : { ...upload, resets };
}

/**
 * Something on the way, not Stillage, refused a piece as too large: send smaller ones.
 *
 * @param {Upload} upload
 * @param {Span} piece  As it was on its way.
 * @param {number} bytes  How many the request had.
 * @returns {Upload}
 */
export function tooLargeForProxy(upload, piece, bytes) {
  const after = { ...upload, flying: replaced(upload.flying, piece, null) };
  if (upload.pace.most < bytes) return after; // another lane has learned it
  const pace = halved(upload.pace, bytes);
  if (pace) return { ...after, pace, limit: pace.most };
  return ended(after, "failed", { message: `a proxy before the server refuses pieces of ${bytes} bytes`, code: "proxy_limit" });
}

/** A piece is on its way no more, and nobody is to blame. @param {Upload} upload @param {Span} piece @returns {Upload} */
export function returned(upload, piece) {
  return { ...upload, flying: replaced(upload.flying, piece, null) };
}

/** @param {Upload} upload @param {number} now @returns {Upload} */
export function retried(upload, now) {
  return upload.hold?.kind === "retry" && upload.hold.until <= now ? { ...upload, hold: null } : upload;
}

/**
 * @param {Upload} upload
 * @param {Hold | null} hold  Null ends any.
 * @returns {Upload}
 */
export function held(upload, hold) {
  return hasEnded(upload) ? upload : { ...upload, hold, stale: upload.stale || hold === null, failures: hold ? upload.failures : 0 };
}

/** @param {Upload} upload @param {boolean} paused @returns {Upload} */
export function setPaused(upload, paused) {
  return { ...upload, paused };
}

/** @param {Upload} upload @returns {Upload} */
export function succeeded(upload) {
  const all = [{ first: 0, end: upload.size }];
  return { ...ended(upload, "active", null), received: all, verified: upload.size };
}

/**
 * @param {Upload} upload
 * @param {"active" | "refused" | "failed"} phase
 * @param {Problem | null} problem
 * @returns {Upload}
 */
export function ended(upload, phase, problem) {
  return hasEnded(upload) ? upload : { ...upload, phase, problem, flying: [], hold: null, stale: false };
}

/**
 * @param {readonly Span[]} flying
 * @param {Span} piece
 * @param {Span | null} by
 * @returns {Span[]}
 */
function replaced(flying, piece, by) {
  const others = flying.filter((other) => other.first !== piece.first || other.end !== piece.end);
  return by ? [...others, by] : others;
}
