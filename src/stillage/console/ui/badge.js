// The status of an image: a word, a shape, and why it is so.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { hasText, t } from "../core/i18n.js";

/** @type {Record<string, string>} */
const LOOKS = {
  active: "good", accepted: "good", success: "good", queued: "idle", pending: "busy", saving: "busy", uploading: "busy", importing: "busy",
  processing: "busy", deactivated: "warn", rejected: "warn", killed: "bad", failure: "bad", damaged: "bad", refused: "bad", receiving: "busy", verifying: "busy", staged: "busy", enabled: "good", reachable: "good", disabled: "warn", allowed: "warn", current: "good", good: "good", note: "idle", problem: "bad", unknown: "warn",
};

/** @param {{image: import("../core/images.js").Image}} props */
export function StatusBadge({ image }) {
  const refused = image.status === "queued" && image.os_stillage_reason;
  const status = image.os_stillage_damage ? "damaged" : refused ? "refused" : image.status;
  return html`<${Badge} status=${status} />`;
}

/** @param {{status: string}} props */
export function Badge({ status }) {
  const text = hasText(`status.${status}`) ? t(`status.${status}`) : status;
  return html`<span class=${`badge ${LOOKS[status] ?? ""}`}>${text}</span>`;
}

/** Why an image has its status, in a sentence. @param {import("../core/images.js").Image} image @returns {string} */
export function whyOf(image) {
  if (image.os_stillage_damage) return image.os_stillage_damage;
  if (image.os_stillage_reason) return image.os_stillage_reason;
  return hasText(`status.${image.status}.why`) ? t(`status.${image.status}.why`) : "";
}
