// Fields for properties of an image: a name and a value each, with the usual names to choose from.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";

const USUAL = ["os_distro", "os_version", "os_type", "architecture", "hw_disk_bus", "hw_firmware_type", "hw_vif_model", "hw_qemu_guest_agent"];

/** @typedef {[string, string]} Property */

/** @param {{properties: Property[], onChange: (properties: Property[]) => void}} props */
export function PropertyFields({ properties, onChange }) {
  const set = (/** @type {number} */ index, /** @type {Property} */ property) =>
    onChange(properties.map((other, at) => (at === index ? property : other)));
  return html`<fieldset class="properties">
    <legend>${t("upload.form.properties")}</legend>
    ${properties.map(([name, value], index) => html`<div key=${index} class="property">
      <input aria-label=${t("upload.form.property_name")} list="usual-properties" value=${name} onInput=${(/** @type {any} */ event) => set(index, [event.target.value, value])} />
      <input aria-label=${t("upload.form.property_value")} value=${value} onInput=${(/** @type {any} */ event) => set(index, [name, event.target.value])} />
    </div>`)}
    <datalist id="usual-properties">${USUAL.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
    <button type="button" class="quiet" onClick=${() => onChange([...properties, ["", ""]])}>${t("upload.form.add_property")}</button>
  </fieldset>`;
}
