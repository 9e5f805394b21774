// Tab of an image: what it is, its hashes with the command that checks them, tags and properties.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { fileOf } from "../core/commands.js";
import { age, dateTime, number, size, t } from "../core/i18n.js";
import { addTag, changeImage, escapePointer, pathOf, propertiesOf, setAttributes } from "../core/images.js";
import { getJson, request } from "../core/api.js";
import { Copy } from "../ui/copy.js";
import { useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { Tags } from "../ui/tags.js";

/** @typedef {import("../core/images.js").Image} Image */

/** @param {{image: Image, again: () => void}} props */
export function Overview({ image, again }) {
  return html`<div class="columns">
    <section class="stack"><h2>${t("image.facts")}</h2><${Facts} image=${image} /></section>
    <div class="loose">
      <section class="stack"><h2>${t("image.tags")}</h2><${TagEditor} image=${image} again=${again} /></section>
      <section class="stack"><h2>${t("image.properties")}</h2><${Properties} image=${image} again=${again} /></section>
    </div>
    <${Hashes} image=${image} />
  </div>`;
}

/**
 * What the copies of an image take of disks: holes are not stored. Nothing where no store can say.
 * @param {{image: Image}} props
 */
function OnDisk({ image }) {
  const { data } = useLoaded(async (signal) => (await getJson(`${pathOf(image.id)}/copies`, { signal })).copies, [image.id, image.status]);
  const known = data?.filter((/** @type {any} */ copy) => copy.allocated !== null) ?? [];
  if (!known.length) return data ? "–" : "…";
  return known.map((/** @type {any} */ copy) => html`<span key=${copy.store}>${[
    size(copy.allocated),
    copy.allocated < copy.size && t("image.on_disk.holes"),
    known.length > 1 && copy.store,
  ].filter(Boolean).join(" · ")}</span> `);
}

/** @param {{image: Image}} props */
function Facts({ image }) {
  const bytes = (/** @type {number | null} */ count) => (count === null ? "–" : `${size(count)} (${number(count)} B)`);
  /** @type {[string, any][]} */
  const facts = [
    ["image.id", html`<span class="row"><code>${image.id}</code><${Copy} text=${image.id} label=${t("image.id")} /></span>`],
    ["image.format", `${image.disk_format ?? "–"} · ${image.container_format ?? "–"}`],
    ["image.virtual_size", bytes(image.virtual_size)],
    ["image.size", bytes(image.size)],
    ...(image.size === null ? [] : [/** @type {[string, any]} */ (["image.on_disk", html`<${OnDisk} image=${image} />`])]),
    ["image.needs", t("image.needs.value", { disk: image.min_disk, ram: image.min_ram })],
    ["image.owner", html`<bdi class="mono">${image.owner}</bdi>`],
    ["image.visibility", t(`visibility.${image.visibility}`)],
    ["image.created", html`<span title=${dateTime(image.created_at)}>${age(image.created_at)}</span>`],
    ["image.updated", html`<span title=${dateTime(image.updated_at)}>${age(image.updated_at)}</span>`],
    ...(image.stores ? [/** @type {[string, any]} */ (["image.stores", image.stores])] : []),
  ];
  return html`<dl class="facts">${facts.map(([key, value]) => html`<dt key=${key}>${t(key)}</dt><dd>${value}</dd>`)}</dl>`;
}

/** @param {{image: Image}} props */
function Hashes({ image }) {
  if (!image.os_hash_value) return null;
  const check = `echo '${image.os_hash_value}  '${fileOf(image)} | ${image.os_hash_algo}sum --check`;
  return html`<section class="stack whole"><h2>${t("image.hashes")}</h2>
    <dl class="facts">
      <dt>${image.os_hash_algo?.toUpperCase()}</dt><dd class="row"><code class="hash">${image.os_hash_value}</code><${Copy} text=${image.os_hash_value} label=${image.os_hash_algo ?? ""} /></dd>
      <dt>MD5</dt><dd class="row"><code class="hash">${image.checksum}</code><${Copy} text=${image.checksum ?? ""} label="MD5" /></dd>
      <dt>${t("image.check")}</dt><dd class="row"><code class="hash">${check}</code><${Copy} text=${check} label=${t("image.check")} /></dd>
    </dl>
  </section>`;
}

/** @param {{image: Image, again: () => void}} props */
function TagEditor({ image, again }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const act = (/** @type {Promise<unknown>} */ acting) => acting.then(() => (setError(null), again()), setError);
  const add = (/** @type {any} */ event) => {
    event.preventDefault();
    const field = event.target.elements.tag;
    act(addTag(image.id, field.value.trim()));
    field.value = "";
  };
  const remove = (/** @type {string} */ tag) => act(request("DELETE", `${pathOf(image.id)}/tags/${encodeURIComponent(tag)}`));
  return html`
    <${Tags} tags=${image.tags} most=${60} remove=${remove} label=${(/** @type {string} */ tag) => t("image.tag.remove", { tag })} />
    ${!image.tags.length && html`<p class="note">${t("image.tags.none")}</p>`}
    <form class="row inline" onSubmit=${add}>
      <input name="tag" aria-label=${t("image.tag.new")} placeholder=${t("image.tag.new")} maxlength="255" required />
      <button>${t("add")}</button>
    </form>
    ${error && html`<${Problem} error=${error} />`}`;
}

/** @param {{image: Image, again: () => void}} props */
function Properties({ image, again }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const act = (/** @type {Promise<unknown>} */ acting) => acting.then(() => (setError(null), again()), setError);
  const add = (/** @type {any} */ event) => {
    event.preventDefault();
    const { name, value } = event.target.elements;
    act(setAttributes(image.id, { [name.value.trim()]: value.value }));
    event.target.reset();
  };
  const remove = (/** @type {string} */ name) => act(changeImage(image.id, [{ op: "remove", path: `/${escapePointer(name)}` }]));
  const properties = propertiesOf(image);
  return html`
    ${properties.length > 0 && html`<dl class="facts properties">${properties.map(
      ([name, value]) => html`<dt key=${name}><bdi class="mono">${name}</bdi></dt>
        <dd class="row"><bdi>${value}</bdi><button type="button" class="small quiet" aria-label=${t("image.property.remove", { name })} onClick=${() => remove(name)}>${t("remove")}</button></dd>`,
    )}</dl>`}
    ${!properties.length && html`<p class="note">${t("image.properties.none")}</p>`}
    <form class="row inline" onSubmit=${add}>
      <input name="name" aria-label=${t("image.property.name")} placeholder="os_distro" maxlength="255" required />
      <input name="value" aria-label=${t("image.property.value")} placeholder="debian" required />
      <button>${t("add")}</button>
    </form>
    ${error && html`<${Problem} error=${error} />`}`;
}
