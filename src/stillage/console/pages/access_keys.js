// Access keys (AK/SK) for clients that sign their requests: the list, a new one with its secret shown once, their end.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { getJson, request } from "../core/api.js";
import { keyVariables } from "../core/cloud_files.js";
import { age, dateTime, t } from "../core/i18n.js";
import { Snippet } from "../ui/as_command.js";
import { Copy } from "../ui/copy.js";
import { ask, Dialog } from "../ui/dialog.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { SaveButton } from "../ui/save.js";

const PATH = "/v3.0/OS-CREDENTIAL/credentials";

/** @param {{user: string}} props */
export function AccessKeys({ user }) {
  const { data, error, again } = useLoaded(async (signal) => (await getJson(`${PATH}?user_id=${user}`, { signal })).credentials, [user]);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const create = async () => {
    try {
      setMade((await request("POST", PATH, { body: { credential: { user_id: user } } })).json.credential);
      setProblem(null);
      again();
    } catch (refused) {
      setProblem(refused);
    }
  };
  const change = async (/** @type {any} */ key) => {
    const status = key.status === "active" ? "inactive" : "active";
    await request("PUT", `${PATH}/${key.access}`, { body: { credential: { status } } }).then(again, setProblem);
  };
  const remove = (/** @type {any} */ key) => ask({
    title: t("access_key.delete.title", { key: key.access }),
    text: t("access_key.delete.why"),
    action: t("delete"),
    dangerous: true,
    act: async () => {
      await request("DELETE", `${PATH}/${key.access}`);
      notify(t("access_key.delete.done", { key: key.access }));
      again();
    },
  });
  return html`<section class="stack">
    <div class="page-head"><h2>${t("access_key.title")}</h2><button type="button" onClick=${create}>${t("access_key.new")}</button></div>
    <p class="note">${t("access_key.why")}</p>
    ${problem && html`<${Problem} error=${problem} />`}
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${2} />`}
    ${data && !data.length && html`<p class="note">${t("access_key.none")}</p>`}
    ${data?.length > 0 && html`<div class="table"><table>
      <caption class="visually-hidden">${t("access_key.title")}</caption>
      <thead><tr><th scope="col">${t("access_key.key")}</th><th scope="col">${t("image.status")}</th><th scope="col">${t("image.created")}</th><th scope="col"><span class="visually-hidden">${t("image.actions")}</span></th></tr></thead>
      <tbody>${data.map((/** @type {any} */ key) => html`<tr key=${key.access}>
        <td><code>${key.access}</code>${key.description && html`<small><bdi>${key.description}</bdi></small>`}</td>
        <td>${t(`access_key.${key.status}`)}</td><td title=${dateTime(key.create_time)}>${age(key.create_time)}</td>
        <td><div class="row"><button type="button" class="small" onClick=${() => change(key)}>${t(key.status === "active" ? "access_key.disable" : "access_key.enable")}</button>
          <button type="button" class="small quiet" onClick=${() => remove(key)}>${t("delete")}</button></div></td>
      </tr>`)}</tbody>
    </table></div>`}
    ${made && html`<${Made} made=${made} onClose=${() => setMade(null)} />`}
  </section>`;
}

/** @param {{made: any, onClose: () => void}} props */
function Made({ made, onClose }) {
  return html`<${Dialog} wide stays title=${t("access_key.made")} onClose=${onClose}><div class="stack">
    <p class="hint">${t("secret.once")}</p>
    <dl class="facts"><dt>${t("access_key.key")}</dt><dd class="row"><code>${made.access}</code><${Copy} text=${made.access} label=${t("access_key.key")} /></dd>
      <dt>${t("secret")}</dt><dd class="row"><code class="hash">${made.secret}</code><${Copy} text=${made.secret} label=${t("secret")} /></dd></dl>
    <div class="row"><${SaveButton} name="aksk.sh" text=${() => keyVariables(made)} /></div>
    <${Snippet} text=${keyVariables(made)} />
    <div class="buttons"><button type="button" class="primary" onClick=${onClose}>${t("secret.saved")}</button></div>
  </div><//>`;
}
