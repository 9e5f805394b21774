// The form for new images: one per file, named after it, of the format that its first bytes show.

import { html, useEffect, useState } from "../vendor/htm-preact-standalone.module.js";
import { config, serverUrl } from "../core/config.js";
import { CURL } from "../core/commands.js";
import { plural, size, t } from "../core/i18n.js";
import { Tools } from "../ui/as_command.js";
import { Dialog } from "../ui/dialog.js";
import { newImageCommands } from "./commands.js";
import { guessFormat, guessName, HEAD_BYTES, TAIL_BYTES } from "./guess.js";
import { PropertyFields } from "./property_fields.js";
import { createImage } from "./uploads.js";

/** @typedef {import("./wanted.js").Chosen} Chosen */
/** @typedef {{name: string, disk_format: string}} Draft */

/** @param {{chosen: Chosen[], onClose: () => void}} props */
export function NewImagesForm({ chosen, onClose }) {
  const [drafts, setDrafts] = useState(/** @type {Draft[]} */ ([]));
  const [visibility, setVisibility] = useState("private");
  const [properties, setProperties] = useState(/** @type {[string, string][]} */ ([]));
  const [sizes, setSizes] = useState({ min_disk: "", min_ram: "" });
  useEffect(() => void Promise.all(chosen.map(draftOf)).then((found) => setDrafts((now) => found.map((draft, index) => now[index] ?? draft))), [chosen]);
  const images = drafts.map((draft) => ({
    ...draft, visibility, properties: Object.fromEntries(properties.filter(([name]) => name)),
    min_disk: Number(sizes.min_disk) || null, min_ram: Number(sizes.min_ram) || null,
  }));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    images.forEach((image, index) => chosen[index] && void createImage(image, chosen[index]));
    onClose();
  };
  const setDraft = (/** @type {number} */ index, /** @type {Partial<Draft>} */ changes) =>
    setDrafts((now) => now.map((draft, other) => (other === index ? { ...draft, ...changes } : draft)));
  const problem = chosen.map(({ file }) => problemOf(file)).find(Boolean);
  return html`<${Dialog} title=${plural("upload.form.title", chosen.length)} onClose=${onClose} wide>
    <form class="new-images" onSubmit=${submit}>
      ${chosen.map(({ file }, index) => html`<${FileFields} key=${index} file=${file} draft=${drafts[index]} onChange=${(/** @type {Partial<Draft>} */ changes) => setDraft(index, changes)} />`)}
      <div class="columns">
        <label class="field"><span>${t("upload.form.visibility")}</span>
          <select value=${visibility} onChange=${(/** @type {any} */ event) => setVisibility(event.target.value)}>
            ${config.visibilities.map((each) => html`<option key=${each} value=${each} selected=${each === visibility}>${t(`upload.visibility.${each}`)}</option>`)}
          </select></label>
        <label class="field"><span>${t("upload.form.min_disk")}</span>
          <input type="number" min="0" inputmode="numeric" value=${sizes.min_disk} onInput=${(/** @type {any} */ event) => setSizes({ ...sizes, min_disk: event.target.value })} /></label>
        <label class="field"><span>${t("upload.form.min_ram")}</span>
          <input type="number" min="0" inputmode="numeric" value=${sizes.min_ram} onInput=${(/** @type {any} */ event) => setSizes({ ...sizes, min_ram: event.target.value })} /></label>
      </div>
      <${PropertyFields} properties=${properties} onChange=${setProperties} />
      ${images[0] && chosen[0] && html`<details><summary>${t("upload.form.command")}</summary><${Tools} commands=${newImageCommands(images[0], chosen[0].file.name, serverUrl, CURL)} /></details>`}
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <div class="buttons">
        <button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button>
        <button class="primary" disabled=${drafts.length < chosen.length || Boolean(problem)}>${plural("upload.form.action", chosen.length)}</button>
      </div>
    </form>
  <//>`;
}

/** @param {{file: File, draft: Draft | undefined, onChange: (changes: Partial<Draft>) => void}} props */
function FileFields({ file, draft, onChange }) {
  return html`<fieldset class="new-image">
    <legend><bdi>${file.name}</bdi> <span class="soft num">${size(file.size)}</span></legend>
    <label class="field"><span>${t("upload.form.name")}</span>
      <input required maxlength="255" value=${draft?.name ?? ""} onInput=${(/** @type {any} */ event) => onChange({ name: event.target.value })} /></label>
    <label class="field"><span>${t("upload.form.format")}</span>
      <select onChange=${(/** @type {any} */ event) => onChange({ disk_format: event.target.value })}>
        ${config.disk_formats.map((each) => html`<option key=${each} value=${each} selected=${each === draft?.disk_format}>${each}</option>`)}
      </select></label>
  </fieldset>`;
}

/** @param {Chosen} chosen @returns {Promise<Draft>} */
async function draftOf({ file }) {
  try {
    const [head, tail] = await Promise.all([file.slice(0, HEAD_BYTES), file.slice(-TAIL_BYTES)].map((part) => part.arrayBuffer()));
    return { name: guessName(file.name), disk_format: guessFormat(new Uint8Array(head ?? []), new Uint8Array(tail ?? [])) };
  } catch {
    return { name: guessName(file.name), disk_format: "raw" };
  }
}

/** @param {File} file @returns {string | null} */
function problemOf(file) {
  if (!file.size) return t("upload.form.empty", { file: file.name });
  const most = config.limits.image_bytes;
  return file.size > most ? t("upload.form.too_large", { file: file.name, size: size(file.size), most: size(most) }) : null;
}
