// How large the pieces of an upload are, and how long it waits after a failure. Pure.

/**
 * @typedef {object} Pace
 * @property {number} bytes  Of the next piece.
 * @property {number} most   The largest piece that the way to the server takes.
 */

export const MIB = 1 << 20;
export const LARGEST = 64 * MIB;
/** A proxy that refuses even this much is not one that uploads can pass. */
export const SMALLEST = 64 * 1024;
export const MOST_LANES = 4;
const PIECE_MS = 2000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** The requests of smaller pieces cost the server more than their bytes do. */
const GOOD_PIECE = 4 * MIB;
/** Pieces that each lane sends at least of what is left. */
const FEWEST_ROUNDS = 2;
/** From this size of a file on there are all lanes. */
const MUCH = 2048 * MIB;

/** Before anything is known of the line. @type {Pace} */
export const FIRST_PACE = { bytes: MIB, most: LARGEST };

/** How many pieces of a file are on their way at once. @param {number} size  Of the file. */
export function lanesFor(size) {
  return size < MUCH ? 2 : MOST_LANES;
}

/**
 * Bytes of the next piece. Towards the end they become smaller: the server verifies a file in order, and has little left
 * after the last byte then.
 *
 * @param {Pace} pace
 * @param {number} left   Bytes of the file that nobody has sent.
 * @param {number} lanes
 */
export function pieceOf(pace, left, lanes) {
  return Math.min(pace.bytes, Math.max(GOOD_PIECE, wholeMebibytes(left / lanes / FEWEST_ROUNDS)));
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
