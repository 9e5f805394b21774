// Every request of the console: JSON in and out, errors as what is wrong and what to do, sign in again on 401.
//
// To add a call: a function in the module of your page that calls `request`. Only the public API is called: what the
// page can do, a script can do. The session is a cookie, which scripts cannot read; the browser sends it by itself.

import { config } from "./config.js";
import { t } from "./i18n.js";
import { store } from "./store.js";

/** True while the session is over and the user should sign in again. Requests that need it wait until it is false. */
export const signInNeeded = store(false);
/** How often somebody has signed in. An answer of before says nothing about the session of now. */
export const signIns = { count: 0 };

/** An answer that is no success, or no answer at all (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message What is wrong and why.
   * @param {{code?: string, fix?: string, rule?: string, offset?: number, requestId?: string}} [facts]
   */
  constructor(status, message, facts = {}) {
    super(message);
    this.status = status;
    this.code = facts.code ?? "";
    this.fix = facts.fix ?? "";
    this.rule = facts.rule ?? "";
    this.offset = facts.offset;
    this.requestId = facts.requestId ?? "";
  }
}

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {any} json Null if there is no body.
 * @property {Headers} headers
 */

/**
 * @typedef {object} Options
 * @property {unknown} [body] Is sent as JSON.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [asks] False for a request that does not wait for a new session, as signing in.
 */

/**
 * Send a request, and return its answer.
 * @param {string} method
 * @param {string} path On this server, for instance `/v2/images`.
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 * @throws {ApiError} For an answer of 400 or more, and without an answer.
 */
export async function request(method, path, options = {}) {
  for (;;) {
    const before = signIns.count;
    const answer = await send(method, path, options);
    if (answer.status !== 401 || options.asks === false) return checked(answer);
    if (signIns.count === before) await newSession(options.signal);
  }
}

/** @param {string} path @param {Options} [options] @returns {Promise<any>} */
export async function getJson(path, options = {}) {
  return (await request("GET", path, options)).json;
}

/** @param {string} path @returns {string} The address of a file of this server, for links. */
export function addressOf(path) {
  return `${config.base}${path}`;
}

/** @param {string} method @param {string} path @param {Options} options @returns {Promise<Answer>} */
async function send(method, path, options) {
  const headers = { Accept: "application/json", ...options.headers };
  /** @type {RequestInit} */
  const init = { method, headers, credentials: "same-origin", signal: options.signal ?? null, cache: "no-store" };
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { "Content-Type": "application/json", ...headers };
  }
  let answer;
  try {
    answer = await fetch(addressOf(path), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, t("error.no_answer"), { code: "no_answer", fix: t("error.no_answer.fix") });
  }
  return { status: answer.status, json: await jsonOf(answer), headers: answer.headers };
}

/** @param {Response} answer */
async function jsonOf(answer) {
  const text = await answer.text();
  if (!text || !(answer.headers.get("Content-Type") ?? "").includes("json")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {Answer} answer @returns {Answer} */
function checked(answer) {
  if (answer.status < 400) return answer;
  const told = answer.json?.error ?? answer.json ?? {};
  const message = told.message ?? told.error_msg ?? t("error.status", { status: answer.status });
  const requestId = answer.headers.get("X-Openstack-Request-Id") ?? "";
  const code = told.stillage_code ?? answer.json?.stillage_code;
  throw new ApiError(answer.status, message, { ...told, code, requestId });
}

/** Ask the user to sign in, and wait until they have. @param {AbortSignal} [signal] @returns {Promise<void>} */
function newSession(signal) {
  signInNeeded.set(true);
  return new Promise((resolve, reject) => {
    const forget = signInNeeded.subscribe(() => {
      if (signInNeeded.get()) return;
      forget();
      resolve();
    });
    signal?.addEventListener("abort", () => {
      forget();
      reject(signal.reason);
    });
  });
}
