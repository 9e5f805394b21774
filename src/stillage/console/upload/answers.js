// What the answer to a request of an upload means. Pure.
//
// Source: docs/resumable.md, "Errors".

/**
 * @typedef {import("./engine.js").Document} Document
 * @typedef {import("./engine.js").Problem} Problem
 * @typedef {{ status: number, retryAfter: string | null, body: string }} Answer
 * @typedef {{ kind: "accepted", document: Document }
 *   | { kind: "active" }
 *   | { kind: "refused", problem: Problem }
 *   | { kind: "ended", problem: Problem }
 *   | { kind: "too-large-for-proxy" }
 *   | { kind: "held", why: string }
 *   | { kind: "passing", why: string, atLeastMs: number }} Meaning
 */

/** The verdict says these: sending the same bytes again does not help. */
const VERDICTS = new Set([400, 415, 422]);
const GONE = new Set([404, 410]);
const PASSING = new Set([408, 425, 429, 502, 503, 504]);
/** Of a piece, not of the image; it is sent again. */
const OF_THE_PIECE = new Set(["piece_digest_mismatch", "piece_taken_over", "too_many_ranges", "piece_held"]);
const LONGEST_WAIT_S = 120;

/**
 * @param {Answer} answer
 * @returns {Meaning}
 */
export function meaningOf(answer) {
  const { status } = answer;
  const body = parsed(answer.body);
  if (status === 204) return { kind: "active" };
  if (status >= 200 && status < 300 && Array.isArray(body?.ranges)) return { kind: "accepted", document: body };
  const problem = problemOf(status, body);
  if (status === 413 && !problem.code) return { kind: "too-large-for-proxy" };
  if (OF_THE_PIECE.has(problem.code ?? "") || PASSING.has(status) || status >= 500 || !problem.code) {
    return { kind: "passing", why: problem.message, atLeastMs: waitOf(answer.retryAfter) };
  }
  if (VERDICTS.has(status)) return { kind: "refused", problem };
  if (GONE.has(status) || status === 409) return { kind: "ended", problem };
  return { kind: "held", why: problem.message };
}

/**
 * @param {number} status
 * @param {any} body  The JSON of the answer; null if it has none.
 * @returns {Problem}  Without a code if it is not from Stillage.
 */
export function problemOf(status, body) {
  const error = body?.error;
  if (typeof error?.message !== "string") return { message: `the server answered ${status}`, status };
  const { message, stillage_code: code, rule = null, offset = null, found = null, declared = null, fix = null } = error;
  return { message, code, status, rule, offset, found, declared, fix };
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {string | null} retryAfter  In seconds; dates are ignored. */
function waitOf(retryAfter) {
  const seconds = Number(retryAfter ?? 0);
  return Number.isFinite(seconds) ? Math.min(LONGEST_WAIT_S, Math.max(0, seconds)) * 1000 : 0;
}
