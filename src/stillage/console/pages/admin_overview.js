// Administration: how the deployment is: what is free, what runs, what is damaged, which nodes there are.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { AsCommand } from "../ui/as_command.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";

export function OverviewTab() {
  const { data, error, again } = useLoaded((signal) => getJson("/readyz", { signal }), []);
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("overview.lead")}</p><${AsCommand} commands=${() => ({ curl: curl("GET", "/readyz") })} /><button type="button" onClick=${again}>${t("refresh")}</button></div>
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${5} />`}
    ${data && html`<dl class="facts">${Object.entries(data).map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${String(value)}</dd>`)}</dl>`}
  </section>`;
}
