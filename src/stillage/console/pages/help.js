// Page: help. What this is, where its documentation is, and the keys.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { addressOf } from "../core/api.js";
import { config, serverUrl } from "../core/config.js";
import { plural, size, t } from "../core/i18n.js";
import { curl } from "../core/commands.js";
import { Link } from "../core/router.js";
import { AsCommand } from "../ui/as_command.js";
import { KeyList } from "../ui/key_list.js";

export function HelpPage() {
  const { limits } = config;
  /** @type {[string, any][]} */
  const facts = [
    ["help.version", `Stillage ${config.version}`],
    ["help.server", html`<code>${serverUrl}</code>`],
    ["help.identity", html`<code>${config.identity.url}</code>`],
    ["help.region", config.region],
    ["help.limit", size(limits.image_bytes)],
    ["help.upload_age", plural("help.upload_age.value", Math.round(limits.upload_age_s / 86400))],
    ["help.formats", config.disk_formats.join(", ")],
    ["help.hash", config.hash_algorithm],
  ];
  return html`
    <div class="page-head"><h1>${t("nav.help")}</h1><${AsCommand} commands=${() => ({ curl: curl("GET", "/console/config"), openstack: "openstack versions show --service image", stillage: `stillage doctor ${serverUrl}` })} /></div>
    <div class="columns">
      <section class="stack"><h2>${t("help.here")}</h2>
        <dl class="facts">${facts.map(([key, value]) => html`<dt key=${key}>${t(key)}</dt><dd>${value}</dd>`)}</dl>
        <p><a href=${addressOf("/openapi.json")}>${t("help.openapi")}</a></p>
        <p><${Link} to="/connection">${t("connection.title")}<//></p>
      </section>
      <section class="stack"><h2>${t("help.keys")}</h2><${KeyList} /></section>
      <section class="stack"><h2>${t("help.promise")}</h2><p>${t("help.promise.text")}</p></section>
    </div>
  `;
}
