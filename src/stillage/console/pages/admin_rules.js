// Administration: the rules by which images are refused, and which are allowed here.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { plural, t } from "../core/i18n.js";
import { AsCommand } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { List } from "../ui/lists.js";
import { useLoaded } from "../ui/loading.js";

export function RulesTab() {
  const rules = useLoaded(async (signal) => (await getJson("/v2/rules", { signal })).rules, []);
  const [text, setText] = useState("");
  const shown = rules.data?.filter((/** @type {any} */ rule) => JSON.stringify(rule).toLowerCase().includes(text.toLowerCase())) ?? null;
  const columns = [
    { title: "rule.id", cell: (/** @type {any} */ rule) => html`<code>${rule.id}</code>` },
    { title: "rule.text", cell: (/** @type {any} */ rule) => html`${rule.meaning}${rule.fix && html`<small class="mono">${rule.fix}</small>`}` },
    { title: "rule.here", cell: (/** @type {any} */ rule) => html`${rule.allowed ? html`<${Badge} status="allowed" />` : t("status.refused")}${!rule.allowed && rule.allowable && html`<small>${t("rule.allowable")}</small>`}` },
  ];
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("rules.lead")}</p><${AsCommand} commands=${() => ({ curl: curl("GET", "/v2/rules"), stillage: "stillage inspect FILE" })} /></div>
    <div class="filters"><input type="search" aria-label=${t("rules.search")} placeholder=${t("rules.search")} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
      ${shown && html`<span class="note">${plural("rules.count", shown.length)}</span>`}</div>
    <${List} name=${t("admin.tab.rules")} loaded=${{ ...rules, data: shown }} columns=${columns} keyOf=${(/** @type {any} */ rule) => rule.id} none=${t("rules.none")} />
  </section>`;
}
