// Administration: which roles a user has in which projects. They are granted and revoked here.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { hasText, t } from "../core/i18n.js";
import { assignmentsOf, grantRole, listProjects, listRoles, revokeRole } from "../core/people.js";
import { roleCommands } from "../core/role_commands.js";
import { navigate } from "../core/router.js";
import { session, signOut } from "../core/session.js";
import { Tools } from "../ui/as_command.js";
import { ask, Dialog } from "../ui/dialog.js";
import { List } from "../ui/lists.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { useSubmit } from "../ui/submit.js";

/**
 * @typedef {import("../core/people.js").User} User
 * @typedef {import("../core/people.js").Assignment} Assignment
 * @typedef {{id: string, name: string}} Named
 */

const ADMIN = "admin";
const USUAL = "member";

/** @param {{user: User, again: () => void, onClose: () => void}} props  again: reads the list of users again. */
export function UserRoles({ user, again, onClose }) {
  const held = useLoaded((signal) => assignmentsOf(user.id, signal), [user.id]);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const done = (/** @type {string} */ text) => {
    notify(text);
    held.again();
    again();
  };
  const revoke = async (/** @type {Assignment} */ taken) => {
    await revokeRole(user.id, taken);
    if (endsSession(user, taken)) return signOut().then(() => navigate("/sign-in"));
    return done(t("roles.revoked", namesOf(user, taken)));
  };
  const askOrRevoke = (/** @type {Assignment} */ taken) => {
    setProblem(null);
    const loss = lossOf(user, taken);
    if (!loss) return revoke(taken).catch(setProblem);
    return ask({ title: t("roles.own.title"), text: loss, action: t("roles.revoke"), dangerous: true, act: () => revoke(taken) });
  };
  const columns = [
    { title: "project", cell: (/** @type {Assignment} */ each) => html`<bdi>${each.project.name}</bdi>` },
    { title: "user.role", cell: (/** @type {Assignment} */ each) => html`<bdi>${each.role.name}</bdi>` },
    { title: "", cell: (/** @type {Assignment} */ each) => html`<div class="row end"><button type="button" class="small quiet" aria-label=${t("roles.revoke.which", { role: each.role.name, project: each.project.name })} onClick=${() => askOrRevoke(each)}>${t("roles.revoke")}</button></div>` },
  ];
  return html`<${Dialog} wide title=${t("roles.title", { name: user.name })} onClose=${onClose}><div class="stack">
    <p class="note">${t("roles.why")}</p>
    <${List} name=${t("roles.title", { name: user.name })} loaded=${held} columns=${columns} keyOf=${(/** @type {Assignment} */ each) => `${each.project.id} ${each.role.id}`} none=${t("roles.none")} />
    ${problem && html`<${Problem} error=${problem} />`}
    <${Grant} user=${user} done=${done} />
    <div class="buttons"><button type="button" onClick=${onClose}>${t("close")}</button></div>
  </div><//>`;
}

/** @param {User} user @param {Assignment} taken */
const namesOf = (user, taken) => ({ name: user.name, role: taken.role.name, project: taken.project.name });

/** Whether this page's session ends with a role: tokens of the user for the project do. @param {User} user @param {Assignment} taken */
function endsSession(user, taken) {
  const me = session.get();
  return user.id === me?.user.id && taken.project.id === me.project.id;
}

/** What people lose who take a role from themselves; empty if it is nothing to be asked about. @param {User} user @param {Assignment} taken */
function lossOf(user, taken) {
  if (user.id !== session.get()?.user.id) return "";
  const losses = [];
  if (taken.role.name === ADMIN) losses.push(t("roles.own.admin", namesOf(user, taken)));
  if (endsSession(user, taken)) losses.push(t("roles.own.session"));
  return losses.join(" ");
}

/** The form that grants a role. @param {{user: User, done: (text: string) => void}} props */
function Grant({ user, done }) {
  const { data, error, again } = useLoaded((signal) => Promise.all([listProjects(signal), listRoles(signal)]), []);
  if (error) return html`<${Problem} error=${error} retry=${again} />`;
  if (!data) return html`<${Skeleton} lines=${2} />`;
  return html`<${GrantForm} user=${user} projects=${data[0]} roles=${data[1]} done=${done} />`;
}

/** @param {{user: User, projects: Named[], roles: Named[], done: (text: string) => void}} props */
function GrantForm({ user, projects, roles, done }) {
  const usual = roles.find(({ name }) => name === USUAL) ?? roles[0];
  const [given, setGiven] = useState({ project: user.default_project_id ?? projects[0]?.id ?? "", role: usual?.id ?? "" });
  const project = projects.find(({ id }) => id === given.project) ?? projects[0];
  const role = roles.find(({ id }) => id === given.role);
  const change = (/** @type {any} */ event) => setGiven({ ...given, [event.target.name]: event.target.value });
  const { busy, error, submit } = useSubmit(async () => {
    if (!project || !role) return;
    await grantRole(user.id, { project, role });
    done(t("roles.granted", namesOf(user, { project, role })));
  });
  if (!project || !role) return null;
  return html`<form onSubmit=${submit}><h3>${t("roles.new")}</h3>
    <div class="columns tight">
      <label class="field"><span>${t("project")}</span><select name="project" onChange=${change}>${projects.map((each) => html`<option key=${each.id} value=${each.id} selected=${each.id === project.id}>${each.name}</option>`)}</select></label>
      <label class="field"><span>${t("user.role")}</span><select name="role" onChange=${change}>${roles.map((each) => html`<option key=${each.id} value=${each.id} selected=${each.id === role.id}>${each.name}</option>`)}</select></label>
    </div>
    ${hasText(`role.${role.name}`) && html`<p class="note">${t(`role.${role.name}`)}</p>`}
    ${error && html`<${Problem} error=${error} />`}
    <div><button class="primary" aria-disabled=${busy}>${t("roles.grant")}</button></div>
    <details><summary>${t("command.open")}</summary><${Tools} commands=${roleCommands(user, project, role)} /></details>
  </form>`;
}
