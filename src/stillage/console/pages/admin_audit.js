// Administration: the audit, which can be narrowed and saved.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { addressOf, getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { AsCommand } from "../ui/as_command.js";
import { Icon } from "../ui/icons.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { Audit } from "./image_history.js";

export function AuditTab() {
  const [filter, setFilter] = useState(/** @type {Record<string, string>} */ ({}));
  const query = new URLSearchParams(filter);
  const { data, error, again } = useLoaded((signal) => getJson(`/v2/audit?${query}`, { signal }), [query.toString()]);
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    const given = [...new FormData(event.target)].filter(([, value]) => value).map(([name, value]) => [name, name === "since" ? `${value}T00:00:00Z` : String(value)]);
    setFilter(Object.fromEntries(given));
  };
  return html`<section class="stack">
    <form class="filters" onSubmit=${submit}>
      <input name="user" aria-label=${t("audit.user")} placeholder=${t("audit.user")} />
      <input name="target" aria-label=${t("audit.target.id")} placeholder=${t("audit.target.id")} />
      <input name="since" type="date" aria-label=${t("audit.since")} />
      <button>${t("audit.filter")}</button>
      <${AsCommand} commands=${() => ({ curl: curl("GET", `/v2/audit?${query}`) })} />
      <a class="button" href=${addressOf(`/v2/audit?${new URLSearchParams({ ...filter, format: "jsonl" })}`)} download="audit.jsonl"><${Icon} name="download" />audit.jsonl</a>
    </form>
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${5} />`}
    ${data && html`<${Audit} events=${data.events ?? []} />`}
  </section>`;
}
