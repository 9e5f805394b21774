// How large the pieces of an upload are, and how long it waits after a failure. Pure.

/**
 * @typedef {object} Pace
 * @property {number} bytes  Of the next piece.
 * @property {number} most   The largest piece that the way to the server takes.
 */

export const MIB = 1 << 20;
export const LARGEST = 32 * MIB;
/** A proxy that refuses even this much is not one that uploads can pass. */
export const SMALLEST = 64 * 1024;
export const MOST_LANES = 4;
const PIECE_MS = 2000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A piece that breaks is sent again, so what is on its way at any moment is hardly more than this part of the file. */
const PART_AT_RISK = 100;
/** How much of its pieces a lane has sent at any moment: half on average, and rarely more than this on all lanes. */
const SENT_OF_A_PIECE = 0.75;

/** The requests of smaller pieces cost the server more than their bytes do, so there are more lanes only where all have such pieces. */
const GOOD_PIECE = 4 * MIB;

/** How many pieces of a file are on their way at once. @param {number} size  Of the file. */
export function lanesFor(size) {
  return Math.min(MOST_LANES, Math.max(2, Math.floor(size / PART_AT_RISK / GOOD_PIECE)));
}

/** @param {number} size  Of the file. @returns {Pace} */
export function paceFor(size) {
  const most = size / PART_AT_RISK / (lanesFor(size) * SENT_OF_A_PIECE);
  return { bytes: MIB, most: Math.min(LARGEST, Math.max(MIB, wholeMebibytes(most))) };
}

/**
 * The pace after a piece arrived: towards pieces of two seconds, by a factor of two at most.
 *
 * @param {Pace} pace
 * @param {number} sent  Bytes of the piece.
 * @param {number} tookMs
 * @returns {Pace}
 */
export function paced(pace, sent, tookMs) {
  if (sent < pace.bytes / 2) return pace; // the end of a gap says little about the line
  const wanted = (sent / Math.max(1, tookMs)) * PIECE_MS;
  const bytes = wholeMebibytes(Math.min(pace.bytes * 2, Math.max(pace.bytes / 2, wanted)));
  return { ...pace, bytes: Math.min(pace.most, Math.max(MIB, bytes)) };
}

/**
 * The pace after a proxy refused a piece as too large; null if pieces cannot become smaller.
 *
 * @param {Pace} pace
 * @param {number} refused  Bytes of the piece.
 * @returns {Pace | null}
 */
export function halved(pace, refused) {
  if (refused <= SMALLEST) return null;
  const most = Math.min(pace.most, Math.max(SMALLEST, Math.floor(refused / 2)));
  return { bytes: Math.min(pace.bytes, most), most };
}

/**
 * How long to wait before the next attempt, in ms: longer each time, and not the same for everybody.
 *
 * @param {number} failures  In a row, this one included.
 * @param {number} random    From 0 to 1.
 * @param {number} leastMs   What the server asked for.
 */
export function pauseMs(failures, random, leastMs = 0) {
  const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  return Math.max(leastMs, most * (0.5 + random / 2));
}

/** @param {number} bytes */
function wholeMebibytes(bytes) {
  return Math.floor(bytes / MIB) * MIB;
}
