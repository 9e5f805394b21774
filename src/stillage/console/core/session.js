// Who is signed in. The session itself is a cookie that scripts cannot read.

import { getJson, request, signInNeeded, signIns } from "./api.js";
import { store } from "./store.js";

/**
 * @typedef {object} Session
 * @property {{id: string, name: string}} user
 * @property {{id: string, name: string}} project
 * @property {string[]} roles In the project.
 * @property {boolean} is_admin
 * @property {string} expires_at However much it is used.
 * @property {string} idle_until When it ends without another request.
 */

/** @type {import("./store.js").Store<Session | null>} */
export const session = store(/** @type {Session | null} */ (null));

/** @returns {boolean} */
export function isAdmin() {
  return session.get()?.is_admin ?? false;
}

/** Ask who is signed in; null if nobody is. @returns {Promise<Session | null>} */
export async function findSession() {
  try {
    session.set(await getJson("/console/session", { asks: false }));
  } catch (error) {
    if (/** @type {any} */ (error).status === 0) throw error;
    session.set(null);
  }
  return session.get();
}

/** @param {Record<string, string>} credentials `user`, `password` and perhaps `project`, or the `link` of `stillage serve`. */
export async function signIn(credentials) {
  const answer = await request("POST", "/console/session", { body: credentials, asks: false });
  signIns.count += 1;
  session.set(answer.json);
  signInNeeded.set(false);
}

export async function signOut() {
  await request("DELETE", "/console/session", { asks: false }).catch(() => null);
  session.set(null);
  signInNeeded.set(false);
}
