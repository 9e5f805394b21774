// An error on the page: what is wrong and why, what to do, and the id by which the log knows it.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";

/** @param {{error: any, retry?: () => void}} props */
export function Problem({ error, retry }) {
  return html`<div class="problem" role="alert">
    <p><strong>${String(error?.message ?? error)}</strong></p>
    ${error?.fix && html`<p>${error.fix}</p>`}
    ${error?.requestId && html`<p class="note">${t("error.request_id")} <code>${error.requestId}</code></p>`}
    ${retry && html`<button type="button" onClick=${retry}>${t("try_again")}</button>`}
  </div>`;
}
