// Tells whether a file that is chosen again is the one that an upload was begun with: size, and SHA-256 of both ends.

const END_BYTES = 1 << 20;

/** @typedef {{size: number, mtime: number, first: string, last: string}} Fingerprint Digests in hex. */

/** @param {File} file @returns {Promise<Fingerprint>} */
export async function fingerprint(file) {
  const first = await hexDigest(file.slice(0, END_BYTES));
  const last = await hexDigest(file.slice(Math.max(0, file.size - END_BYTES)));
  return { size: file.size, mtime: file.lastModified, first, last };
}

/** Whether both are of the same bytes, as far as the ends tell. @param {Fingerprint} a @param {Fingerprint} b */
export function isSame(a, b) {
  return a.size === b.size && a.first === b.first && a.last === b.last;
}

/** @param {Blob} blob */
async function hexDigest(blob) {
  const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
