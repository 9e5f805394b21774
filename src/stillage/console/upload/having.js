// Finds what the server has of a file already, by the SHA-256 of its pieces, and has it taken from there.

/**
 * @typedef {import("./spans.js").Span} Span
 * @typedef {{ first: number, spans: Span[] }} List  Consecutive pieces, from the one with this number on.
 * @typedef {{ nonce: string, ranges: [number, number][] }} Proof
 */

import { MIB } from "./pace.js";
import { gaps } from "./spans.js";
import { have } from "./transport.js";

const PIECE = 4 * MIB;
/** Lists begin with whole groups: one piece of each tells the server whether an image is similar. */
const GROUP = 16;
/** Pieces of the first list: enough to see whether the server has a similar image. */
const FIRST_LIST = 16;
/** Of the others. The server copies them all before it answers. */
const NEXT_LISTS = 32;
/** So many images the pieces of one list may come from. */
const MOST_IMAGES = 3;

/**
 * The pieces to ask for.
 *
 * @param {number} size  Of the file.
 * @param {readonly Span[]} received  Merged.
 * @returns {Generator<List>}
 */
export function* listsOf(size, received) {
  let [at, most] = [0, FIRST_LIST];
  for (const needed of gaps(received, { first: 0, end: size })) {
    at = Math.max(at, Math.floor(needed.first / PIECE / GROUP) * GROUP);
    while (at * PIECE < needed.end) {
      const end = Math.min(at + most, Math.ceil(size / PIECE));
      const spans = Array.from({ length: end - at }, (_, index) => spanOf(at + index, size));
      yield { first: at, spans };
      [at, most] = [end, NEXT_LISTS];
    }
  }
}

/** @param {number} number @param {number} size @returns {Span} */
function spanOf(number, size) {
  return { first: number * PIECE, end: Math.min((number + 1) * PIECE, size) };
}

/**
 * Have the server take what it has. If that is nothing of the first list, it is asked for no other.
 *
 * @param {string} url  Of the upload.
 * @param {import("./reading.js").Reader} reader
 * @param {Iterable<List>} lists
 * @param {() => boolean} isStopped
 * @returns {Promise<boolean>}  Whether it had anything. Throws Broken and FileChanged.
 */
export async function takeWhatIsThere(url, reader, lists, isStopped) {
  let hadAny = false;
  for (const { first, spans } of lists) {
    if (isStopped()) break;
    const hasSome = await takeList(url, reader, { first, digests: await packed(reader, spans) });
    hadAny ||= hasSome === true;
    if (hasSome === null || !hadAny) break;
  }
  return hadAny;
}

/**
 * @param {string} url
 * @param {import("./reading.js").Reader} reader
 * @param {{ first: number, digests: string }} list
 * @returns {Promise<boolean | null>}  False if the server has none of these pieces; null if there is no use in asking.
 */
async function takeList(url, reader, list) {
  for (let known = 0; known < MOST_IMAGES; known++) {
    const found = await have(url, list);
    if (found.status !== 200) return null;
    const { missing, proof } = /** @type {{ missing: unknown[], proof?: Proof }} */ (JSON.parse(found.body));
    if (!proof) return known > 0;
    const digests = [];
    for (const [first, last] of proof.ranges) digests.push(hex(await reader.digest({ first, end: last + 1 }, proof.nonce)));
    const { status } = await have(url, { ...list, nonce: proof.nonce, proof: digests });
    if (status !== 202 && status !== 204) return null;
    if (!missing.length) break;
  }
  return true;
}

/** @param {import("./reading.js").Reader} reader @param {Span[]} spans @returns {Promise<string>}  In base64. */
async function packed(reader, spans) {
  let text = "";
  for (const span of spans) text += String.fromCharCode(...(await reader.digest(span)));
  return btoa(text);
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
