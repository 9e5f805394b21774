// A file as a bar: what the server has of it, what is on its way, what is verified, and a pin where a rule is broken.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { partOf, percentage } from "./geometry.js";

/** @typedef {import("./geometry.js").Span} Span */

/**
 * @param {object} props
 * @param {number} props.size
 * @param {readonly Span[]} props.received
 * @param {readonly Span[]} [props.flying]
 * @param {number} [props.verified] From the beginning.
 * @param {number | null} [props.pin] The byte that breaks a rule.
 */
export function FileBar({ size, received, flying = [], verified = 0, pin = null }) {
  return html`<svg class=${`file-bar ${pin === null ? "" : "pinned"}`} aria-hidden="true" focusable="false">
    <rect class="empty-part" y="0" width="100%" height="8" rx="4"></rect>
    ${flying.map((span) => html`<${Run} key=${`f${span.first}`} kind="flying" span=${span} size=${size} />`)}
    ${received.map((span) => html`<${Run} key=${`r${span.first}`} kind="received" span=${span} size=${size} />`)}
    ${verified > 0 && html`<${Run} kind="verified" span=${{ first: 0, end: verified }} size=${size} />`}
    ${pin !== null && html`<${Pin} at=${partOf({ first: pin, end: pin }, size).at} />`}
  </svg>`;
}

/** @param {{kind: string, span: Span, size: number}} props */
function Run({ kind, span, size }) {
  const { at, width } = partOf(span, size);
  return html`<rect class=${kind} x=${percentage(at)} width=${percentage(width)} y="0" height="8" rx="1"></rect>`;
}

/** A pin below the bar, its tip on the byte. @param {{at: number}} props  In percent. */
export function Pin({ at }) {
  return html`<svg class="pin" x=${percentage(Math.max(0.8, Math.min(99.2, at)))} y="0" overflow="visible">
    <path d="M0 0V10M0 8l5 9h-10z"></path>
  </svg>`;
}
