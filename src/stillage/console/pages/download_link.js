// An address that downloads one image for a short time, for whoever has no account.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { request } from "../core/api.js";
import { curl, shellWord } from "../core/commands.js";
import { dateTime, t } from "../core/i18n.js";
import { pathOf } from "../core/images.js";
import { Snippet } from "../ui/as_command.js";
import { Problem } from "../ui/problem.js";

const HOUR_S = 3600;

/** @param {{image: import("../core/images.js").Image}} props */
export function DownloadLink({ image }) {
  const [link, setLink] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const make = () => request("POST", `${pathOf(image.id)}/links`, { body: { expires_s: HOUR_S } }).then(({ json }) => (setError(null), setLink(json)), setError);
  return html`<section class="stack"><div><h2>${t("link.title")}</h2><p class="note">${t("link.why")}</p></div>
    ${link ? html`<div><${Snippet} text=${`curl -o image ${shellWord(link.url)}`} /><p class="note">${t("link.until", { when: dateTime(link.expires_at) })}</p></div>`
      : html`<div><${Snippet} text=${curl("POST", `/v2/images/${image.id}/links`, { body: { expires_s: HOUR_S } })} /></div>`}
    <div><button type="button" onClick=${make}>${t("link.make")}</button></div>
    ${error && html`<${Problem} error=${error} />`}
  </section>`;
}
