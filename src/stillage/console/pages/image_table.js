// The table of images: names that lead to the image, a status that says why, numbers in line, and rows for the keyboard.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { age, dateTime, size, t } from "../core/i18n.js";
import { answerOffer, nameOf } from "../core/images.js";
import { changeQuery, Link, place } from "../core/router.js";
import { session } from "../core/session.js";
import { useStore } from "../core/store.js";
import { StatusBadge, whyOf } from "../ui/badge.js";
import { Distribution } from "../ui/distribution.js";
import { Icon } from "../ui/icons.js";
import { Tags } from "../ui/tags.js";

/** @typedef {import("../core/images.js").Image} Image */

/**
 * @param {{images: Image[], selected: ReadonlySet<string>, select: (ids: ReadonlySet<string>) => void, tab: string, again: () => void}} props
 */
export function ImageTable({ images, selected, select, tab, again }) {
  const all = images.every((image) => selected.has(image.id));
  const toggle = (/** @type {string} */ id) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    select(next);
  };
  const toggleAll = () => select(new Set(all ? [] : images.map((image) => image.id)));
  return html`<div class="table"><table>
    <caption class="visually-hidden">${t("nav.images")}</caption>
    <thead><tr>
      <th scope="col"><input type="checkbox" aria-label=${t("images.select_all")} checked=${all} onChange=${toggleAll} /></th>
      <${Sorted} by="name" text=${t("image.name")} />
      <${Sorted} by="status" text=${t("image.status")} />
      <${Sorted} by="disk_format" text=${t("image.format")} />
      <th scope="col" class="num wide-only">${t("image.virtual_size")}</th>
      <${Sorted} by="size" text=${t("image.size")} number />
      <th scope="col" class="wide-only">${t("image.visibility")}</th>
      <${Sorted} by="created_at" text=${t("image.age")} />
      ${tab === "shared" && html`<th scope="col">${t("images.offer")}</th>`}
    </tr></thead>
    <tbody>${images.map((image) => html`<${Row} key=${image.id} image=${image} tab=${tab} again=${again} checked=${selected.has(image.id)} toggle=${toggle} />`)}</tbody>
  </table></div>`;
}

/** A heading by which the list can be sorted. @param {{by: string, text: string, number?: boolean}} props */
function Sorted({ by, text, number }) {
  const { query } = useStore(place);
  const [key, direction] = (query.get("sort") ?? "created_at:desc").split(":");
  const now = key === by ? (direction === "asc" ? "ascending" : "descending") : null;
  const next = now === "ascending" ? "desc" : now === "descending" ? "asc" : by === "name" ? "asc" : "desc";
  return html`<th scope="col" class=${number ? "num" : ""} aria-sort=${now}>
    <button type="button" class=${now ?? ""} onClick=${() => changeQuery({ sort: `${by}:${next}`, marker: null })}>${text}</button>
  </th>`;
}

/** @param {{image: Image, tab: string, again: () => void, checked: boolean, toggle: (id: string) => void}} props */
function Row({ image, tab, again, checked, toggle }) {
  const name = nameOf(image);
  const why = image.status === "active" && !image.os_stillage_damage ? "" : whyOf(image);
  return html`<tr data-row class=${checked ? "selected" : ""}>
    <td><input type="checkbox" aria-label=${t("images.select", { name })} checked=${checked} onChange=${() => toggle(image.id)} /></td>
    <td class="names">
      <${Distribution} image=${image} /><${Link} class="name" to=${`/images/${image.id}`}><bdi>${name}</bdi><//>
      ${image.protected && html`<span class="lock" title=${t("image.protected")}><${Icon} name="lock" /><span class="visually-hidden">${t("image.protected")}</span></span>`}
      <${Tags} tags=${image.tags} most=${4} />
    </td>
    <td><${StatusBadge} image=${image} />${why && html`<small class="why" title=${why}><bdi>${why}</bdi></small>`}</td>
    <td>${image.disk_format ?? "–"}</td>
    <td class="num wide-only">${size(image.virtual_size)}</td>
    <td class="num">${size(image.size)}</td>
    <td class="who-sees wide-only">${t(`visibility.${image.visibility}`)}${image.owner !== session.get()?.project.id && html`<small class="owner" title=${image.owner}><bdi>${image.owner}</bdi></small>`}</td>
    <td class="when" title=${dateTime(image.created_at)}>${age(image.created_at)}</td>
    ${tab === "shared" && html`<td><${Offer} image=${image} again=${again} /></td>`}
  </tr>`;
}

/** @param {{image: Image, again: () => void}} props */
function Offer({ image, again }) {
  const { query } = useStore(place);
  const status = query.get("offer") ?? "accepted";
  const answer = async (/** @type {string} */ given) => {
    try {
      await answerOffer(image.id, session.get()?.project.id ?? "", given);
      notify(t(`images.offer.done.${given}`, { name: nameOf(image) }));
      again();
    } catch (error) {
      notify(String(/** @type {Error} */ (error).message), "problem");
    }
  };
  return html`<div class="row">
    ${status !== "accepted" && html`<button type="button" class="small" onClick=${() => answer("accepted")}>${t("images.accept")}</button>`}
    ${status !== "rejected" && html`<button type="button" class="small quiet" onClick=${() => answer("rejected")}>${t("images.reject")}</button>`}
  </div>`;
}
