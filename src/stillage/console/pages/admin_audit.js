// Administration: the audit, which can be narrowed and saved.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { AsCommand } from "../ui/as_command.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { SaveButton } from "../ui/save.js";
import { Audit } from "./image_history.js";

export function AuditTab() {
  const [filter, setFilter] = useState(/** @type {Record<string, string>} */ ({}));
  const query = new URLSearchParams(filter);
  const { data, error, again } = useLoaded((signal) => getJson(`/v2/audit?${query}`, { signal }), [query.toString()]);
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    const given = [...new FormData(event.target)].filter(([, value]) => value).map(([name, value]) => [name, String(value)]);
    setFilter(Object.fromEntries(given));
  };
  const lines = () => (data?.events ?? []).map((/** @type {any} */ event) => `${JSON.stringify(event)}\n`).join("");
  return html`<section class="stack">
    <form class="filters" onSubmit=${submit}>
      <input name="user" aria-label=${t("audit.user")} placeholder=${t("audit.user")} />
      <input name="target" aria-label=${t("audit.target.id")} placeholder=${t("audit.target.id")} />
      <input name="since" type="date" aria-label=${t("audit.since")} />
      <button>${t("audit.filter")}</button>
      <${AsCommand} commands=${() => ({ curl: curl("GET", `/v2/audit?${query}`) })} />
      ${data && html`<${SaveButton} name="audit.jsonl" text=${lines} />`}
    </form>
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${5} />`}
    ${data && html`<${Audit} events=${data.events ?? []} />`}
  </section>`;
}
