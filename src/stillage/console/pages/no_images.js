// An empty list of images says what would be here, and how it gets here. That of one's own images takes files.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { changeQuery } from "../core/router.js";
import { Icon } from "../ui/icons.js";
import { Tools } from "../ui/as_command.js";
import { pickFiles } from "../upload/wanted.js";

/** @param {{tab: string, filtered: boolean}} props */
export function NoImages({ tab, filtered }) {
  if (filtered) {
    const clear = () => changeQuery({ q: null, status: null, disk_format: null, visibility: null, tag: null, marker: null });
    return html`<div class="empty"><h2>${t("images.none.found")}</h2><p>${t("images.none.found.why")}</p>
      <button type="button" onClick=${clear}>${t("images.none.clear")}</button></div>`;
  }
  if (tab !== "mine") return html`<div class="empty"><h2>${t(`images.none.${tab}`)}</h2><p>${t(`images.none.${tab}.why`)}</p></div>`;
  return html`<div class="empty drop">
    <${Icon} name="uploads" />
    <h2>${t("images.none.mine")}</h2>
    <p>${t("images.none.mine.why")}</p>
    <${UploadButton} />
    <details><summary>${t("images.none.mine.command")}</summary><${Tools} commands=${FIRST} /></details>
  </div>`;
}

const FIRST = {
  stillage: "stillage upload debian.qcow2 --name debian",
  openstack: "openstack image create debian --disk-format qcow2 --file debian.qcow2",
};

/** Asks for files, and opens the dialog for their images. */
export function UploadButton() {
  return html`<button type="button" class="primary" onClick=${pickFiles}><${Icon} name="uploads" />${t("images.upload")}</button>`;
}
