// Administration: users. Find, create, disable, set a password, grant roles, delete.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { changeUser, createUser, deleteUser, listAdministrators, listProjects, listRoles, listUsers } from "../core/people.js";
import { place } from "../core/router.js";
import { session } from "../core/session.js";
import { useStore } from "../core/store.js";
import { AsCommand } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { ask, Dialog } from "../ui/dialog.js";
import { FormDialog } from "../ui/form_dialog.js";
import { List } from "../ui/lists.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { markerIn, Paging } from "../ui/paging.js";
import { SearchField } from "../ui/search_field.js";
import { UserRoles } from "./user_roles.js";

/** @typedef {import("../core/people.js").User} User */

const PAGE_SIZE = 50;

export function UsersTab() {
  const { query: address } = useStore(place);
  const text = address.get("q")?.trim();
  const marker = address.get("marker");
  const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(text && { name__icontains: text }), ...(marker && { marker }) });
  const { data, ...users } = useLoaded((signal) => Promise.all([listUsers(query, signal), listAdministrators(signal)]), [query.toString()]);
  const [page, administrators] = data ?? [null, new Set()];
  const [making, setMaking] = useState(false);
  const [changing, setChanging] = useState(/** @type {User | null} */ (null));
  const [granting, setGranting] = useState(/** @type {User | null} */ (null));
  const act = (/** @type {Promise<unknown>} */ acting) => acting.then(users.again, (error) => notify(error.message, "problem"));
  const me = session.get()?.user.id;
  const columns = [
    { title: "sign_in.user", cell: (/** @type {User} */ user) => html`<bdi>${user.name}</bdi>${administrators.has(user.id) && html` <span class="tag">${t("user.admin")}</span>`}${user.description && html`<small><bdi>${user.description}</bdi></small>`}<small class="mono">${user.id}</small>` },
    { title: "image.status", cell: (/** @type {User} */ user) => html`<${Badge} status=${user.enabled ? "enabled" : "disabled"} />` },
    { title: "", cell: (/** @type {User} */ user) => html`<div class="row end">
        <button type="button" class="small" onClick=${() => setGranting(user)}>${t("user.roles")}</button>
        <button type="button" class="small" onClick=${() => setChanging(user)}>${t("user.password")}</button>
        ${user.id !== me && html`<button type="button" class="small" onClick=${() => act(changeUser(user.id, { enabled: !user.enabled }))}>${t(user.enabled ? "disable" : "enable")}</button>
        <button type="button" class="small quiet" onClick=${() => askToDelete(user, users.again)}>${t("delete")}</button>`}
      </div>` },
  ];
  const commands = () => ({ openstack: "openstack user list\nopenstack role assignment list --names\nopenstack user create NAME --password-prompt", stillage: "stillage user list\nstillage user create NAME --project PROJECT", curl: [curl("GET", `/identity/v3/users?${query}`), curl("GET", "/identity/v3/role_assignments?include_names=true")].join("\n\n"), terraform: 'resource "openstack_identity_user_v3" "user" {\n  name     = "NAME"\n  password = var.password\n}' });
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("users.lead")}</p><${AsCommand} commands=${commands} />
      <button type="button" class="primary" onClick=${() => setMaking(true)}>${t("user.new")}</button></div>
    <search class="filters"><${SearchField} label=${t("users.search")} /></search>
    <${List} name=${t("admin.tab.users")} loaded=${{ ...users, data: page?.users ?? null }} columns=${columns} keyOf=${(/** @type {User} */ user) => user.id} none=${t(text ? "users.none.found" : "users.none")} />
    ${page && html`<${Paging} marker=${markerIn(page.links.next)} />`}
    ${granting && html`<${UserRoles} user=${granting} again=${users.again} onClose=${() => setGranting(null)} />`}
    ${making && html`<${NewUser} again=${users.again} onClose=${() => setMaking(false)} />`}
    ${changing && html`<${NewPassword} user=${changing} onClose=${() => setChanging(null)} />`}
  </section>`;
}

/** @param {User} user @param {() => void} again */
function askToDelete(user, again) {
  ask({
    title: t("user.delete.title", { name: user.name }),
    text: t("user.delete.why"),
    action: t("delete"),
    dangerous: true,
    typed: user.name,
    act: async () => {
      await deleteUser(user.id);
      again();
    },
  });
}

/** @param {{user: User, onClose: () => void}} props */
function NewPassword({ user, onClose }) {
  const act = async (/** @type {FormData} */ form) => {
    await changeUser(user.id, { password: String(form.get("password")) });
    notify(t("user.password.done", { name: user.name }));
  };
  return html`<${FormDialog} title=${t("user.password.title", { name: user.name })} action=${t("save")} act=${act} onClose=${onClose}>
    <p class="note">${t("user.password.why")}</p>
    <label class="field"><span>${t("sign_in.password")}</span><input name="password" type="password" autocomplete="new-password" required minlength="8" /></label>
  <//>`;
}

/** @param {{again: () => void, onClose: () => void}} props */
function NewUser({ again, onClose }) {
  const { data } = useLoaded((signal) => Promise.all([listProjects(signal), listRoles(signal)]), []);
  if (!data) return html`<${Dialog} title=${t("user.new")} onClose=${onClose}><${Skeleton} /><//>`;
  const [projects, roles] = data;
  const act = async (/** @type {FormData} */ form) => {
    const text = (/** @type {string} */ name) => String(form.get(name) ?? "");
    await createUser({ name: text("name"), password: text("password"), project: text("project"), role: text("role") });
    again();
  };
  return html`<${FormDialog} title=${t("user.new")} action=${t("create")} act=${act} onClose=${onClose}>
    <label class="field"><span>${t("sign_in.user")}</span><input name="name" required maxlength="255" autocomplete="off" /></label>
    <label class="field"><span>${t("sign_in.password")}</span><input name="password" type="password" autocomplete="new-password" required /></label>
    <label class="field"><span>${t("sign_in.project")}</span><select name="project">${projects.map((each) => html`<option key=${each.id} value=${each.id}>${each.name}</option>`)}</select></label>
    <label class="field"><span>${t("user.role")}</span><select name="role">${roles.map((each) => html`<option key=${each.id} value=${each.id} selected=${each.name === "member"}>${each.name}</option>`)}</select></label>
  <//>`;
}
