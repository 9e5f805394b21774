// Tab of an image: how to boot a server from it, describe it in Terraform, open its disk from afar, and get its file.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { useCommands } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { Snippet } from "../ui/as_command.js";
import { DownloadLink } from "./download_link.js";

/** @param {{image: import("../core/images.js").Image}} props */
export function UseIt({ image }) {
  if (image.status !== "active") return html`<p class="hint">${t("use.not_active")}</p>`;
  return html`<div class="columns">
    ${useCommands(image).map(([key, text]) => html`<section key=${key} class="stack">
      <div><h2>${t(`use.${key}`)}</h2><p class="note">${t(`use.${key}.why`)}</p><${Snippet} text=${text} /></div>
    </section>`)}
    <${DownloadLink} image=${image} />
  </div>`;
}
