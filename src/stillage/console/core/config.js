// What the server wrote into the page: its configuration, and the texts in one language.

/**
 * @typedef {object} Config What `GET /console/config` says, and where this page is.
 * @property {string} base The path before every address of this server; empty unless a proxy adds one.
 * @property {string} files Where the files of the console are.
 * @property {string} version
 * @property {string} region
 * @property {{kind: "embedded" | "keystone", url: string}} identity
 * @property {string} hash_algorithm
 * @property {string[]} disk_formats
 * @property {string[]} container_formats
 * @property {string[]} visibilities
 * @property {string[]} import_methods
 * @property {string[]} stores
 * @property {string[]} languages
 * @property {boolean} authority The server made its own certificate; /console/ca.pem is what to trust.
 * @property {{image_bytes: number, upload_age_s: number}} limits
 */

/** @param {string} id @returns {any} */
function dataOf(id) {
  return JSON.parse(document.getElementById(id)?.textContent ?? "{}");
}

/** @type {Config} */
export const config = dataOf("config");

/** @type {Record<string, string>} */
export const initialTexts = dataOf("texts");

/** The address of this server, without a slash at its end. */
export const serverUrl = `${location.origin}${config.base}`;
