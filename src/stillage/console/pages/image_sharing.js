// Tab of an image: who sees it, the projects that it is shared with and what they said; an offer is answered here.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { getJson } from "../core/api.js";
import { sharingCommands } from "../core/commands.js";
import { config } from "../core/config.js";
import { age, t } from "../core/i18n.js";
import { addMember, answerOffer, pathOf, removeMember, setAttributes } from "../core/images.js";
import { isAdmin, session } from "../core/session.js";
import { Tools } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { ask } from "../ui/dialog.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";

/** @typedef {import("../core/images.js").Image} Image */
/** @typedef {import("../core/images.js").Member} Member */

/** @param {{image: Image, again: () => void}} props */
export function Sharing({ image, again }) {
  const mine = image.owner === session.get()?.project.id || isAdmin();
  const members = useLoaded(
    async (signal) => (image.visibility === "shared" ? (await getJson(`${pathOf(image.id)}/members`, { signal })).members : []),
    [image.id, image.visibility],
  );
  if (members.error) return html`<${Problem} error=${members.error} retry=${members.again} />`;
  if (!members.data) return html`<${Skeleton} />`;
  const own = members.data.find((/** @type {Member} */ member) => member.member_id === session.get()?.project.id);
  return html`<div class="columns">
    <div class="loose">
      ${own && html`<${Answer} image=${image} member=${own} again=${members.again} />`}
      ${mine && html`<${VisibilityChoice} image=${image} again=${again} />`}
      ${image.visibility === "shared" && html`<${Members} image=${image} members=${members.data} mine=${mine} again=${members.again} />`}
    </div>
    ${mine && image.visibility === "shared" && html`<section class="stack"><h2>${t("command.title")}</h2>
      <div><${Tools} commands=${sharingCommands(image, members.data.map((/** @type {Member} */ member) => member.member_id))} /></div></section>`}
  </div>`;
}

/** @param {{image: Image, again: () => void}} props */
function VisibilityChoice({ image, again }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const choose = (/** @type {string} */ visibility) => setAttributes(image.id, { visibility }).then(() => (setError(null), again()), setError);
  return html`<fieldset class="choice"><legend><h2>${t("sharing.who")}</h2></legend>
    ${config.visibilities.map((each) => html`<label key=${each} class="check">
      <input type="radio" name="visibility" checked=${each === image.visibility} onChange=${() => choose(each)} />
      <span>${t(`visibility.${each}`)}<small>${t(`visibility.${each}.why`)}</small></span>
    </label>`)}
    ${error && html`<${Problem} error=${error} />`}
  </fieldset>`;
}

/** @param {{image: Image, members: Member[], mine: boolean, again: () => void}} props */
function Members({ image, members, mine, again }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const add = async (/** @type {any} */ event) => {
    event.preventDefault();
    const field = event.target.elements.project;
    await addMember(image.id, field.value.trim()).then(() => {
      setError(null);
      field.value = "";
      again();
    }, setError);
  };
  const remove = (/** @type {Member} */ member) => ask({
    title: t("sharing.remove.title"),
    text: t("sharing.remove.why", { project: member.member_id }),
    action: t("sharing.remove"),
    dangerous: true,
    act: async () => {
      await removeMember(image.id, member.member_id);
      again();
    },
  });
  return html`<section class="stack"><h2>${t("sharing.members")}</h2>
    ${!members.length && html`<p class="note">${t("sharing.none")}</p>`}
    ${members.length > 0 && html`<div class="table"><table>
      <caption class="visually-hidden">${t("sharing.members")}</caption>
      <thead><tr><th scope="col">${t("project")}</th><th scope="col">${t("sharing.state")}</th><th scope="col">${t("sharing.since")}</th><th scope="col"><span class="visually-hidden">${t("image.actions")}</span></th></tr></thead>
      <tbody>${members.map((member) => html`<tr key=${member.member_id}>
        <td><bdi class="mono">${member.member_id}</bdi></td><td><${Badge} status=${member.status} /></td><td>${age(member.updated_at)}</td>
        <td>${mine && html`<button type="button" class="small quiet" onClick=${() => remove(member)}>${t("remove")}</button>`}</td>
      </tr>`)}</tbody>
    </table></div>`}
    ${mine && html`<form class="row inline" onSubmit=${add}>
      <input name="project" aria-label=${t("sharing.project")} placeholder=${t("sharing.project")} maxlength="255" required />
      <button>${t("sharing.add")}</button>
    </form>`}
    ${error && html`<${Problem} error=${error} />`}
  </section>`;
}

/** @param {{image: Image, member: Member, again: () => void}} props */
function Answer({ image, member, again }) {
  const answer = (/** @type {string} */ status) => answerOffer(image.id, member.member_id, status).then(again, (error) => notify(error.message, "problem"));
  return html`<div class="hint stack"><p>${t(`sharing.own.${member.status}`)}</p><div class="row">
    ${member.status !== "accepted" && html`<button type="button" class="primary" onClick=${() => answer("accepted")}>${t("images.accept")}</button>`}
    ${member.status !== "rejected" && html`<button type="button" onClick=${() => answer("rejected")}>${t("images.reject")}</button>`}
  </div></div>`;
}
