// What can be done with several images at once: tag, share, hide, delete; one after the other, and what failed is named.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { announce, notify } from "../core/announce.js";
import { plural, t } from "../core/i18n.js";
import { addMember, addTag, deleteImage, nameOf, setAttributes } from "../core/images.js";
import { ask, Dialog } from "../ui/dialog.js";

/** @typedef {import("../core/images.js").Image} Image */

/** @param {{images: Image[], tab: string, again: () => void, clear: () => void}} props */
export function BulkActions({ images, tab, again, clear }) {
  const [field, setField] = useState(/** @type {"tag" | "project" | null} */ (null));
  const [done, setDone] = useState(-1);
  if (!images.length) return null;
  const each = async (/** @type {(image: Image) => Promise<unknown>} */ act) => {
    const failed = await oneByOne(images, act, setDone);
    setDone(-1);
    if (failed.length) notify(`${plural("bulk.failed", failed.length)} ${failed.slice(0, 3).join("; ")}`, "problem");
    else notify(plural("bulk.done", images.length));
    clear();
    again();
  };
  const hides = tab !== "hidden";
  return html`<div class="bulk" role="region" aria-label=${t("bulk.title")}>
    <strong>${done < 0 ? plural("bulk.selected", images.length) : t("bulk.progress", { done, count: images.length })}</strong>
    <button type="button" class="small" onClick=${() => setField("tag")}>${t("bulk.tag")}</button>
    <button type="button" class="small" onClick=${() => setField("project")}>${t("bulk.share")}</button>
    <button type="button" class="small" onClick=${() => each((image) => setAttributes(image.id, { os_hidden: hides }))}>${t(hides ? "image.hide" : "image.unhide")}</button>
    <button type="button" class="small danger" onClick=${() => askToDelete(images, each)}>${t("delete")}</button>
    <button type="button" class="small quiet" onClick=${clear}>${t("bulk.clear")}</button>
    ${field && html`<${OneField} name=${field} onClose=${() => setField(null)} act=${(/** @type {string} */ value) => {
      setField(null);
      return each((image) => (field === "tag" ? addTag(image.id, value) : addMember(image.id, value)));
    }} />`}
  </div>`;
}

/** @param {Image[]} images @param {(act: (image: Image) => Promise<unknown>) => Promise<void>} each */
function askToDelete(images, each) {
  const kept = images.filter((image) => image.protected).length;
  ask({
    title: plural("bulk.delete", images.length),
    text: `${t("bulk.delete.why")} ${kept ? plural("bulk.delete.protected", kept) : ""}`,
    action: t("delete"),
    dangerous: true,
    act: () => each((image) => deleteImage(image.id)),
  });
}

/**
 * @param {Image[]} images
 * @param {(image: Image) => Promise<unknown>} act
 * @param {(done: number) => void} report
 * @returns {Promise<string[]>} What failed, and why.
 */
async function oneByOne(images, act, report) {
  /** @type {string[]} */
  const failed = [];
  for (const [index, image] of images.entries()) {
    report(index);
    await act(image).catch((error) => failed.push(`${nameOf(image)}: ${error.message}`));
    if ((index + 1) % 10 === 0) announce(t("bulk.progress", { done: index + 1, count: images.length }));
  }
  return failed;
}

/** @param {{name: "tag" | "project", act: (value: string) => unknown, onClose: () => void}} props */
function OneField({ name, act, onClose }) {
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    act(event.target.elements.value.value.trim());
  };
  return html`<${Dialog} title=${t(`bulk.${name}.title`)} onClose=${onClose}>
    <form onSubmit=${submit}>
      <label class="field"><span>${t(`bulk.${name}.label`)}</span><input name="value" required maxlength="255" autocomplete="off" /></label>
      <div class="buttons">
        <button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button>
        <button class="primary">${t(`bulk.${name}.action`)}</button>
      </div>
    </form>
  <//>`;
}
