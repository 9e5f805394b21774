// Page: administration, in tabs; each is what the public API says to an administrator.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { config } from "../core/config.js";
import { t } from "../core/i18n.js";
import { Link } from "../core/router.js";
import { isAdmin } from "../core/session.js";
import { AuditTab } from "./admin_audit.js";
import { Connection } from "./connection.js";
import { OverviewTab } from "./admin_overview.js";
import { ProjectsTab } from "./admin_projects.js";
import { RulesTab } from "./admin_rules.js";
import { SettingsTab } from "./admin_settings.js";
import { UploadsTab } from "./admin_uploads.js";
import { UsersTab } from "./admin_users.js";

/** @type {[string, any][]} */
const TABS = [["overview", OverviewTab], ["projects", ProjectsTab], ["users", UsersTab], ["uploads", UploadsTab], ["audit", AuditTab], ["rules", RulesTab], ["settings", SettingsTab], ["doctor", Connection]];

/** @param {{tab?: string}} props */
export function AdminPage({ tab = "overview" }) {
  if (!isAdmin()) return html`<h1>${t("nav.admin")}</h1><p class="hint">${t("admin.only")}</p>`;
  const known = TABS.filter(([each]) => each !== "users" || config.identity.kind === "embedded");
  const [name, content] = known.find(([each]) => each === tab) ?? ["overview", OverviewTab];
  return html`
    <div class="page-head"><h1>${t("nav.admin")}</h1></div>
    <nav class="tabs" aria-label=${t("nav.admin")}>
      ${known.map(([each]) => html`<${Link} key=${each} to=${each === "overview" ? "/admin" : `/admin/${each}`} current=${each === name}>${t(`admin.tab.${each}`)}<//>`)}
    </nav>
    <${content} key=${name} />
  `;
}
