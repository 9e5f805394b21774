// Administration: the settings, read-only; secrets are never shown.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { AsCommand } from "../ui/as_command.js";
import { List } from "../ui/lists.js";
import { useLoaded } from "../ui/loading.js";

export function SettingsTab() {
  const settings = useLoaded(async (signal) => (await getJson("/v2/settings", { signal })).settings, []);
  const [text, setText] = useState("");
  const shown = settings.data?.filter((/** @type {any} */ each) => `${each.name} ${each.meaning}`.toLowerCase().includes(text.toLowerCase())) ?? null;
  const columns = [
    { title: "setting.name", cell: (/** @type {any} */ each) => html`<code>${each.name}</code>` },
    { title: "setting.value", cell: (/** @type {any} */ each) => html`<code class="hash">${each.secret ? t("setting.secret") : JSON.stringify(each.value)}</code>${each.set && html`<small>${t("setting.set")}</small>`}` },
    { title: "setting.meaning", cell: (/** @type {any} */ each) => each.meaning },
  ];
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("settings.lead")}</p><${AsCommand} commands=${() => ({ curl: curl("GET", "/v2/settings") })} /></div>
    <div class="filters"><input type="search" aria-label=${t("settings.search")} placeholder=${t("settings.search")} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></div>
    <${List} name=${t("admin.tab.settings")} loaded=${{ ...settings, data: shown }} columns=${columns} keyOf=${(/** @type {any} */ each) => each.name} none=${t("settings.none")} />
  </section>`;
}
