// Figures of an upload: how much is done, how fast it goes, and when it will be over. Pure.

/** @typedef {import("./engine.js").Upload} Upload */
/** @typedef {{at: number, done: number, sent: number}} Sample Time in ms, bytes done, bytes sent over the network. */

/** The rate is that of the last so many ms. */
const WINDOW_MS = 10_000;
const LEAST_MS = 500;

/** Bytes that need not be sent any more, those on their way included. @param {Upload} upload @param {number} flying */
export function doneOf(upload, flying) {
  const received = upload.received.reduce((sum, span) => sum + span.end - span.first, 0);
  return Math.min(upload.size, received + flying);
}

/** @param {readonly Sample[]} samples @param {Sample} now @returns {Sample[]} */
export function sampled(samples, now) {
  return [...samples.filter((sample) => sample.at > now.at - WINDOW_MS && sample.at < now.at), now];
}

/**
 * @param {readonly Sample[]} samples In order.
 * @param {number} size Of the file.
 * @returns {{rate: number | null, seconds: number | null}} Bytes per second over the network, and the rest of the time.
 */
export function ratesOf(samples, size) {
  const first = samples[0];
  const last = samples[samples.length - 1];
  if (!first || !last || last.at - first.at < LEAST_MS) return { rate: null, seconds: null };
  const seconds = (last.at - first.at) / 1000;
  const progress = (last.done - first.done) / seconds;
  return { rate: Math.max(0, (last.sent - first.sent) / seconds), seconds: progress > 0 ? (size - last.done) / progress : null };
}

/**
 * The tens of a percentage that were passed, to be said aloud; null if none was.
 *
 * @param {number} before Share from 0 to 1.
 * @param {number} now
 */
export function tenth(before, now) {
  const reached = Math.floor(now * 10 + 1e-9);
  return reached > Math.floor(before * 10 + 1e-9) && reached < 10 ? reached * 10 : null;
}
