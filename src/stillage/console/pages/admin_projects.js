// Administration: projects, what each uses of its quota, and the quotas themselves.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { changeProject, createProject, listProjects, quotasByProject } from "../core/people.js";
import { AsCommand } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { FormDialog } from "../ui/form_dialog.js";
import { List } from "../ui/lists.js";
import { useLoaded } from "../ui/loading.js";
import { QuotaBars, QuotaForm } from "./quota.js";

/** @typedef {import("../core/people.js").Project} Project */

export function ProjectsTab() {
  // Both or neither: a form without the quota of now would take it away.
  const { data, ...loaded } = useLoaded((signal) => Promise.all([listProjects(signal), quotasByProject(signal)]), []);
  const [projects, quotas] = data ?? [null, new Map()];
  const [limited, setLimited] = useState(/** @type {Project | null} */ (null));
  const [making, setMaking] = useState(false);
  const act = (/** @type {Promise<unknown>} */ acting) => acting.then(loaded.again, (error) => notify(error.message, "problem"));
  const columns = [
    { title: "project", cell: (/** @type {Project} */ project) => html`<bdi>${project.name}</bdi>${project.description && html`<small><bdi>${project.description}</bdi></small>`}<small class="mono">${project.id}</small>` },
    { title: "image.status", cell: (/** @type {Project} */ project) => html`<${Badge} status=${project.enabled ? "enabled" : "disabled"} />` },
    { title: "quota", cell: (/** @type {Project} */ project) => html`<${QuotaBars} quota=${quotas.get(project.id)} />` },
    { title: "", cell: (/** @type {Project} */ project) => html`<div class="row end">
        <button type="button" class="small" onClick=${() => setLimited(project)}>${t("quota.change")}</button>
        <button type="button" class="small" onClick=${() => act(changeProject(project.id, { enabled: !project.enabled }))}>${t(project.enabled ? "disable" : "enable")}</button>
      </div>` },
  ];
  const create = async (/** @type {FormData} */ form) => {
    await createProject(String(form.get("name")), String(form.get("description") ?? ""));
    loaded.again();
  };
  const commands = () => ({ openstack: "openstack project list\nopenstack project create NAME", stillage: "stillage project create NAME\nstillage quota set NAME --bytes 500GiB", curl: [curl("GET", "/identity/v3/projects"), curl("GET", "/v2/usage?by=project")].join("\n\n"), terraform: 'resource "openstack_identity_project_v3" "project" {\n  name = "NAME"\n}' });
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("projects.lead")}</p><${AsCommand} commands=${commands} />
      <button type="button" class="primary" onClick=${() => setMaking(true)}>${t("project.new")}</button></div>
    <${List} name=${t("admin.tab.projects")} loaded=${{ ...loaded, data: projects }} columns=${columns} keyOf=${(/** @type {Project} */ project) => project.id} none=${t("projects.none")} />
    ${limited && html`<${QuotaForm} project=${limited} quota=${quotas.get(limited.id)} again=${loaded.again} onClose=${() => setLimited(null)} />`}
    ${making && html`<${FormDialog} title=${t("project.new")} action=${t("create")} act=${create} onClose=${() => setMaking(false)}>
      <label class="field"><span>${t("project")}</span><input name="name" required maxlength="64" autocomplete="off" /></label>
      <label class="field"><span>${t("description")} <small>${t("optional")}</small></span><input name="description" maxlength="255" autocomplete="off" /></label>
    <//>`}
  </section>`;
}
