// Import an image from an address: the server fetches the bytes itself, and verifies them.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { request } from "../core/api.js";
import { curl, shellWord, terraformText } from "../core/commands.js";
import { config } from "../core/config.js";
import { t } from "../core/i18n.js";
import { deleteImage, pathOf } from "../core/images.js";
import { Tools } from "../ui/as_command.js";
import { Dialog } from "../ui/dialog.js";
import { Problem } from "../ui/problem.js";
import { useSubmit } from "../ui/submit.js";

/** @param {{done: () => void}} props */
export function ImportButton({ done }) {
  const [open, setOpen] = useState(false);
  if (!config.import_methods.includes("web-download")) return null;
  return html`<button type="button" class="primary" onClick=${() => setOpen(true)}>${t("import.open")}</button>
    ${open && html`<${ImportForm} onClose=${() => setOpen(false)} done=${done} />`}`;
}

/** @param {{onClose: () => void, done: () => void}} props */
function ImportForm({ onClose, done }) {
  const [given, setGiven] = useState({ name: "", uri: "", format: "qcow2" });
  const change = (/** @type {any} */ event) => setGiven({ ...given, [event.target.name]: event.target.value });
  const { busy, error, submit } = useSubmit(async () => {
    const record = { name: given.name, disk_format: given.format, container_format: "bare" };
    const { id } = (await request("POST", "/v2/images", { body: record })).json;
    try {
      await request("POST", `${pathOf(id)}/import`, { body: { method: { name: "web-download", uri: given.uri } } });
    } catch (problem) {
      // Else each attempt leaves an image without data. Without an answer the import may be running.
      if (/** @type {any} */ (problem).status) await deleteImage(id).catch(() => null);
      throw problem;
    }
    notify(t("import.done", { name: given.name }));
    done();
    onClose();
  });
  return html`<${Dialog} wide title=${t("import.open")} onClose=${onClose}><form onSubmit=${submit}>
    <p class="note">${t("import.why")}</p>
    <label class="field"><span>${t("import.url")}</span><input name="uri" type="url" required placeholder="https://cloud.debian.org/images/…/debian.qcow2" value=${given.uri} onInput=${change} /></label>
    <label class="field"><span>${t("image.name")}</span><input name="name" required maxlength="255" value=${given.name} onInput=${change} /></label>
    <label class="field"><span>${t("image.format")}</span><select name="format" onChange=${change}>
      ${config.disk_formats.map((each) => html`<option key=${each} value=${each} selected=${each === given.format}>${each}</option>`)}
    </select></label>
    ${error && html`<${Problem} error=${error} />`}
    <details><summary>${t("command.open")}</summary><${Tools} commands=${importCommands(given)} /></details>
    <div class="buttons"><button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button><button class="primary" aria-disabled=${busy}>${t("import.action")}</button></div>
  </form><//>`;
}

/** @param {{name: string, uri: string, format: string}} given @returns {import("../core/commands.js").Commands} */
function importCommands(given) {
  const uri = given.uri || "URL";
  const name = given.name || "NAME";
  const record = { name, disk_format: given.format, container_format: "bare" };
  return {
    stillage: `stillage import ${shellWord(uri)} --name ${shellWord(name)} --disk-format ${given.format}`,
    openstack: `ID=$(openstack image create ${shellWord(name)} --disk-format ${given.format} --container-format bare -f value -c id)\nopenstack image import --method web-download --uri ${shellWord(uri)} $ID`,
    curl: `${curl("POST", "/v2/images", { body: record })}\n\n${curl("POST", "/v2/images/IMAGE_ID/import", { body: { method: { name: "web-download", uri } } })}`,
    terraform: `resource "openstack_images_image_v2" "image" {\n  name             = ${terraformText(name)}\n  image_source_url = ${terraformText(uri)}\n  web_download     = true\n  disk_format      = "${given.format}"\n  container_format = "bare"\n}`,
  };
}
