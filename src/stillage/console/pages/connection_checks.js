// What a browser can find out about the path between it and the server: as `stillage doctor`, over the same API.
//
// A browser cannot hold bytes back, declare sizes that it does not send, or read certificates: those are left to
// `stillage doctor`.

import { addressOf } from "../core/api.js";
import { config } from "../core/config.js";
import { number, size } from "../core/i18n.js";

/**
 * @typedef {object} Finding
 * @property {string} check
 * @property {"good" | "note" | "problem" | "unknown"} result
 * @property {string} what The end of the key of its text, below that of the check.
 * @property {Record<string, string>} [values] For that text.
 * @property {string[]} [nginx] Directives that fix it.
 */

const MIB = 2 ** 20;
const SIZES = [1.5 * MIB, 12 * MIB, 33 * MIB]; // above the usual limits of proxies; the last one above the largest piece
const ENOUGH_MS = 15000; // a slow line is not kept busy for longer
const APART_S = 60;
const FIRST_EVENT_MS = 10000;
const NOBODY = "/v2/images/00000000-0000-4000-8000-000000000000/file";
const OCTETS = { "Content-Type": "application/octet-stream" };
const OPEN = ["client_max_body_size 0;"];
const UNBUFFERED = ["proxy_request_buffering off;", "proxy_http_version 1.1;"];

/** @type {[string, () => Promise<Finding[]>][]} */
export const CHECKS = [
  ["service", checkService], ["body_limit", checkLimit], ["early_answer", checkEarlyAnswer], ["live", checkLive], ["range", checkDownload],
];

/** @param {string} path @param {RequestInit} [init] */
function ask(path, init = {}) {
  return fetch(addressOf(path), { credentials: "same-origin", cache: "no-store", ...init });
}

/** True if the server itself has answered, and no proxy before it. @param {Response} answer */
function isOurs(answer) {
  return answer.headers.has("X-Openstack-Request-Id");
}

/** Who answers, how fast, over what, and what time it is there. @returns {Promise<Finding[]>} */
async function checkService() {
  const asked = Date.now();
  const answer = await ask("/console/config");
  const answered = Date.now();
  const same = answer.ok && (await answer.json()).version === config.version;
  const named = ["Server", "Via"].map((name) => answer.headers.get(name)).filter(Boolean).join("; ");
  const ms = { ms: number(answered - asked) };
  /** @type {Finding} */
  const encrypted = location.protocol === "https:" ? { check: "encryption", result: "good", what: "good" } : { check: "encryption", result: "note", what: "plain" };
  return [
    same ? { check: "service", result: "good", what: "good", values: ms } : { check: "service", result: "problem", what: "other" },
    encrypted,
    { check: "proxy", result: "good", what: named ? "named" : "nobody", values: { named } },
    checkClock(answer.headers.get("Date"), asked, answered),
  ];
}

/** @param {string | null} date @param {number} asked @param {number} answered @returns {Finding} */
export function checkClock(date, asked, answered) {
  const theirs = date ? Date.parse(date) : NaN;
  if (Number.isNaN(theirs)) return { check: "clock", result: "unknown", what: "none" };
  // Date has whole seconds, and is from any moment between the request and its answer.
  const apart = Math.max(theirs - answered, asked - theirs - 1000, 0) / 1000;
  return { check: "clock", result: apart > APART_S ? "problem" : "good", what: apart > APART_S ? "apart" : "good", values: { seconds: number(apart) } };
}

/** Send bodies that the server reads to their end, and keeps nothing of. @returns {Promise<Finding[]>} */
async function checkLimit() {
  let passed = 0;
  const began = Date.now();
  for (const bytes of SIZES) {
    const answer = await ask("/v2/images/inspect?disk_format=raw", { method: "POST", headers: OCTETS, body: new Blob([new Uint8Array(bytes)]) });
    const values = { size: size(bytes), passed: size(passed) };
    if (answer.status === 413 && !isOurs(answer)) return [{ check: "body_limit", result: "problem", what: "limit", values, nginx: OPEN }];
    if (!answer.ok) return [{ check: "body_limit", result: "unknown", what: "refused", values: { ...values, status: String(answer.status) } }];
    passed = bytes;
    if (Date.now() - began > ENOUGH_MS) break;
  }
  return [{ check: "body_limit", result: "good", what: "good", values: { passed: size(passed) } }];
}

/** Send a body to an image that does not exist: the refusal must reach who still sends. @returns {Promise<Finding[]>} */
async function checkEarlyAnswer() {
  const bytes = SIZES[1] ?? MIB;
  const values = { size: size(bytes) };
  try {
    const answer = await ask(NOBODY, { method: "PUT", headers: OCTETS, body: new Blob([new Uint8Array(bytes)]) });
    if (isOurs(answer)) return [{ check: "early_answer", result: "good", what: "good", values }];
    return [{ check: "early_answer", result: "problem", what: "other", values: { ...values, status: String(answer.status) }, nginx: answer.status === 413 ? OPEN : UNBUFFERED }];
  } catch {
    return [{ check: "early_answer", result: "problem", what: "broken", values, nginx: ["lingering_close on;", ...UNBUFFERED] }];
  }
}

/** Open a stream of events: its first line must come at once. @returns {Promise<Finding[]>} */
async function checkLive() {
  const stopping = new AbortController();
  const timer = setTimeout(() => stopping.abort(), FIRST_EVENT_MS);
  try {
    const answer = await ask("/v2/events", { signal: stopping.signal, headers: { Accept: "text/event-stream" } });
    const first = await answer.body?.getReader().read();
    if (answer.ok && first && !first.done) return [{ check: "live", result: "good", what: "good" }];
    return [{ check: "live", result: "problem", what: "refused", values: { status: String(answer.status) } }];
  } catch {
    return [{ check: "live", result: "problem", what: "late", values: { seconds: number(FIRST_EVENT_MS / 1000) }, nginx: ["proxy_buffering off;", "proxy_read_timeout 1h;"] }];
  } finally {
    clearTimeout(timer);
    stopping.abort();
  }
}

/** Make a small private image, download a part of it, and delete it. @returns {Promise<Finding[]>} */
async function checkDownload() {
  const record = { name: "stillage-doctor", disk_format: "raw", container_format: "bare", visibility: "private" };
  const made = await ask("/v2/images", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(record) });
  if (made.status !== 201) return [{ check: "range", result: "unknown", what: "no_image", values: { status: String(made.status) } }];
  const path = `/v2/images/${(await made.json()).id}`;
  try {
    const sent = new Uint8Array(MIB / 8).map((_, index) => index % 251);
    const stored = await ask(`${path}/file`, { method: "PUT", headers: OCTETS, body: sent });
    if (!stored.ok) return [{ check: "range", result: "unknown", what: "no_image", values: { status: String(stored.status) } }];
    const answer = await ask(`${path}/file`, { headers: { Range: "bytes=65536-65635" } });
    const part = new Uint8Array(await answer.arrayBuffer());
    const whole = await ask(`${path}/file`);
    return downloadFindings(answer.status === 206 && String(part) === String(sent.slice(65536, 65636)), answer.status, whole.headers);
  } finally {
    await ask(path, { method: "DELETE" });
  }
}

/** @param {boolean} right @param {number} status @param {Headers} headers Of a whole download. @returns {Finding[]} */
export function downloadFindings(right, status, headers) {
  const tag = headers.get("ETag");
  const encoding = headers.get("Content-Encoding");
  return [
    right ? { check: "range", result: "good", what: "good" } : { check: "range", result: "problem", what: "wrong", values: { status: String(status) }, nginx: ["proxy_set_header Range $http_range;", "proxy_cache off;"] },
    tag && !tag.startsWith("W/") ? { check: "etag", result: "good", what: "good" } : { check: "etag", result: "problem", what: tag ? "weak" : "none", nginx: ["proxy_hide_header ETag;  # remove this directive", "gzip off;"] },
    encoding && encoding !== "identity" ? { check: "compression", result: "problem", what: "compressed", values: { encoding }, nginx: ["gzip off;"] } : { check: "compression", result: "good", what: "good" },
  ];
}
