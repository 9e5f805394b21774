// Audit events as a table: when, who, what, to what, and what came of it.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { age, dateTime, t } from "../core/i18n.js";
import { Badge } from "../ui/badge.js";

const COLUMNS = ["when", "who", "what", "target", "outcome"];
const UNKNOWN = "unknown";

/**
 * @param {{events: any[], narrow?: (name: "user" | "target", id: string) => void}} props
 *   narrow: shows the events of one user, or of one target; without it their names are texts.
 */
export function AuditTable({ events, narrow }) {
  if (!events.length) return html`<p class="note">${t("history.audit.none")}</p>`;
  return html`<div class="table" tabindex="0" role="group" aria-label=${t("history.audit")}><table>
    <caption class="visually-hidden">${t("history.audit")}</caption>
    <thead><tr>${COLUMNS.map((name) => html`<th key=${name} scope="col">${t(`audit.${name}`)}</th>`)}</tr></thead>
    <tbody>${events.map((event) => html`<tr key=${event.id}>
      <td class="when" title=${dateTime(event.eventTime)}>${age(event.eventTime)}</td>
      <td><${Id} name="user" id=${event.initiator?.id} text=${event.initiator?.name} narrow=${narrow} />${event.initiator?.host?.address && html`<small>${event.initiator.host.address}</small>`}</td>
      <td class="mono">${event.action}</td>
      <td class="mono"><${Id} name="target" id=${event.target?.id} narrow=${narrow} /></td>
      <td><${Badge} status=${event.outcome} />${event.reason && html`<small>${event.reason.reasonCode}</small>`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

/** @param {{name: "user" | "target", id?: string, text?: string, narrow?: (name: "user" | "target", id: string) => void}} props */
function Id({ name, id, text, narrow }) {
  const shown = text ?? id ?? "–";
  if (!narrow || !id || id === UNKNOWN) return html`<bdi>${shown}</bdi>`;
  return html`<button type="button" class="link" title=${t(`audit.only.${name}`)} onClick=${() => narrow(name, id)}><bdi>${shown}</bdi></button>`;
}
