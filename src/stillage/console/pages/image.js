// Page: one image. Its status says why; what can be done with it; and five tabs.

import { html, useEffect, useState } from "../vendor/htm-preact-standalone.module.js";
import { addressOf } from "../core/api.js";
import { imageCommands } from "../core/commands.js";
import { percent, size, t } from "../core/i18n.js";
import { nameOf, pathOf, showImage } from "../core/images.js";
import { onEvents, useLive } from "../core/live.js";
import { Link } from "../core/router.js";
import { DiskPicture } from "../disk/picture.js";
import { AsCommand } from "../ui/as_command.js";
import { StatusBadge, whyOf } from "../ui/badge.js";
import { Distribution } from "../ui/distribution.js";
import { Icon } from "../ui/icons.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { ImageActions } from "./image_actions.js";
import { History } from "./image_history.js";
import { Overview } from "./image_overview.js";
import { Sharing } from "./image_sharing.js";
import { UseIt } from "./image_use.js";

/** @type {[string, any][]} */
const TABS = [["overview", Overview], ["disk", Disk], ["sharing", Sharing], ["history", History], ["use", UseIt]];

/** @param {{id: string, tab?: string}} props */
export function ImagePage({ id, tab = "overview" }) {
  const { data: image, error, again } = useLoaded((signal) => showImage(id, signal), [id]);
  useLive(({ kind, data }) => kind === "image" && data.id === id, again);
  if (!image && error) return html`<${Back} /><h1>${t("image.not_found")}</h1><${Problem} error=${error} retry=${again} />`;
  if (!image) return html`<${Back} /><${Skeleton} lines=${6} />`;
  const [name, content] = TABS.find(([each]) => each === tab) ?? TABS[0] ?? ["overview", Overview];
  return html`
    <${Back} />
    <div class="page-head">
      <div class="title"><${Distribution} image=${image} /><h1><bdi>${nameOf(image)}</bdi></h1></div>
      <${AsCommand} commands=${() => imageCommands(image, name)} />
      ${image.status === "active" && html`<a class="button primary" href=${addressOf(`${pathOf(id)}/file`)} download><${Icon} name="download" />${t("image.download")}</a>`}
      <${ImageActions} image=${image} again=${again} />
    </div>
    <${Why} image=${image} />
    <nav class="tabs" aria-label=${t("image.tabs")}>
      ${TABS.map(([each]) => html`<${Link} key=${each} to=${`/images/${id}${each === "overview" ? "" : `/${each}`}`} current=${each === name}>${t(`image.tab.${each}`)}<//>`)}
    </nav>
    <${content} key=${name} image=${image} again=${again} />
  `;
}

function Back() {
  return html`<p class="back"><${Link} to="/images">${t("nav.images")}<//></p>`;
}

/** The status, and why it is so. @param {{image: import("../core/images.js").Image}} props */
function Why({ image }) {
  const why = whyOf(image);
  const bad = image.os_stillage_damage || image.os_stillage_reason;
  const upload = useUpload(image.id);
  return html`<div class=${`status-line ${bad ? "problem" : ""}`}>
    <${StatusBadge} image=${image} />
    <span>${[image.disk_format, image.size === null ? "" : size(image.size), t(`visibility.${image.visibility}`)].filter(Boolean).join(" · ")}</span>
    ${upload?.size && upload.status !== "ended" && html`<p class="progress-cell"><progress max="1" value=${upload.received / upload.size} aria-label=${t("job.progress")}></progress>
      <span>${t("image.receiving", { received: percent(upload.received / upload.size), verified: percent(upload.verified / upload.size) })}</span></p>`}
    ${why && html`<p><bdi>${why}</bdi></p>`}
  </div>`;
}

/** How far the open upload of an image is, as far as one was told. @param {string} id @returns {any} */
function useUpload(id) {
  const [upload, setUpload] = useState(/** @type {any} */ (null));
  useEffect(() => onEvents(({ kind, data }) => kind === "upload" && data.image_id === id && setUpload(data)), [id]);
  return upload;
}

/** @param {{image: import("../core/images.js").Image}} props */
function Disk({ image }) {
  return html`<${DiskPicture} id=${image.id} />`;
}
