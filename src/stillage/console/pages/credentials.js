// Application credentials: the list, a new one with its secret shown once, and their end.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { getJson, request } from "../core/api.js";
import { cloudsYaml, openrc, terraformProvider } from "../core/cloud_files.js";
import { dateTime, t } from "../core/i18n.js";
import { Snippet } from "../ui/as_command.js";
import { Copy } from "../ui/copy.js";
import { ask, Dialog } from "../ui/dialog.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { SaveButton } from "../ui/save.js";

/** @param {string} user */
const pathFor = (user) => `/identity/v3/users/${user}/application_credentials`;

/** @param {{user: string}} props */
export function Credentials({ user }) {
  const { data, error, again } = useLoaded(async (signal) => (await getJson(pathFor(user), { signal })).application_credentials, [user]);
  const [making, setMaking] = useState(false);
  const remove = (/** @type {any} */ credential) => ask({
    title: t("credential.delete.title", { name: credential.name }),
    text: t("credential.delete.why"),
    action: t("delete"),
    dangerous: true,
    act: async () => {
      await request("DELETE", `${pathFor(user)}/${credential.id}`);
      notify(t("credential.delete.done", { name: credential.name }));
      again();
    },
  });
  return html`<section class="stack">
    <div class="page-head"><h2>${t("credential.title")}</h2><button type="button" onClick=${() => setMaking(true)}>${t("credential.new")}</button></div>
    <p class="note">${t("credential.why")}</p>
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${2} />`}
    ${data && !data.length && html`<p class="note">${t("credential.none")}</p>`}
    ${data?.length > 0 && html`<div class="table"><table>
      <caption class="visually-hidden">${t("credential.title")}</caption>
      <thead><tr><th scope="col">${t("image.name")}</th><th scope="col">ID</th><th scope="col">${t("credential.expires")}</th><th scope="col"><span class="visually-hidden">${t("image.actions")}</span></th></tr></thead>
      <tbody>${data.map((/** @type {any} */ each) => html`<tr key=${each.id}>
        <td><bdi>${each.name}</bdi>${each.description && html`<small><bdi>${each.description}</bdi></small>`}</td><td><code>${each.id}</code></td>
        <td>${each.expires_at ? dateTime(each.expires_at) : t("credential.never")}</td>
        <td><button type="button" class="small quiet" onClick=${() => remove(each)}>${t("delete")}</button></td>
      </tr>`)}</tbody>
    </table></div>`}
    ${making && html`<${NewCredential} user=${user} again=${again} onClose=${() => setMaking(false)} />`}
  </section>`;
}

/** @param {{user: string, again: () => void, onClose: () => void}} props */
function NewCredential({ user, again, onClose }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [made, setMade] = useState(/** @type {any} */ (null));
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const { name, description, expires } = event.target.elements;
    const wanted = { name: name.value.trim(), description: description.value, ...(expires.value ? { expires_at: `${expires.value}T00:00:00` } : {}) };
    try {
      setMade((await request("POST", pathFor(user), { body: { application_credential: wanted } })).json.application_credential);
      again();
    } catch (problem) {
      setError(problem);
    }
  };
  if (made) return html`<${Made} credential=${made} onClose=${onClose} />`;
  return html`<${Dialog} title=${t("credential.new")} onClose=${onClose}><form onSubmit=${submit}>
    <label class="field"><span>${t("image.name")}</span><input name="name" required maxlength="255" autocomplete="off" /></label>
    <label class="field"><span>${t("description")}</span><input name="description" maxlength="255" autocomplete="off" /></label>
    <label class="field"><span>${t("credential.expires")} <small>${t("optional")}</small></span><input name="expires" type="date" /></label>
    ${error && html`<${Problem} error=${error} />`}
    <div class="buttons"><button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button><button class="primary">${t("create")}</button></div>
  </form><//>`;
}

/** @param {{credential: any, onClose: () => void}} props */
function Made({ credential, onClose }) {
  return html`<${Dialog} wide stays title=${t("credential.made", { name: credential.name })} onClose=${onClose}><div class="stack">
    <p class="hint">${t("secret.once")}</p>
    <dl class="facts"><dt>ID</dt><dd class="row"><code>${credential.id}</code><${Copy} text=${credential.id} label="ID" /></dd>
      <dt>${t("secret")}</dt><dd class="row"><code class="hash">${credential.secret}</code><${Copy} text=${credential.secret} label=${t("secret")} /></dd></dl>
    <div class="row">
      <${SaveButton} name="clouds.yaml" text=${() => cloudsYaml(credential)} />
      <${SaveButton} name="openrc.sh" text=${() => openrc(credential)} />
      <${SaveButton} name="provider.tf" text=${() => terraformProvider(credential)} />
    </div>
    <${Snippet} text=${openrc(credential)} />
    <div class="buttons"><button type="button" class="primary" onClick=${onClose}>${t("secret.saved")}</button></div>
  </div><//>`;
}
