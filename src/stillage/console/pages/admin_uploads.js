// Administration: the open uploads of all projects, each with how far it is; one can be ended.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson, request } from "../core/api.js";
import { curl } from "../core/commands.js";
import { age, percent, size, t } from "../core/i18n.js";
import { pathOf } from "../core/images.js";
import { Link } from "../core/router.js";
import { AsCommand } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { ask } from "../ui/dialog.js";
import { List } from "../ui/lists.js";
import { useLoaded } from "../ui/loading.js";

export function UploadsTab() {
  const uploads = useLoaded(async (signal) => (await getJson("/v2/uploads?limit=100", { signal })).uploads, []);
  const end = (/** @type {any} */ upload) => ask({
    title: t("upload_list.end.title"),
    text: t("upload_list.end.why"),
    action: t("upload_list.end"),
    dangerous: true,
    act: async () => {
      await request("DELETE", `${pathOf(upload.image_id)}/uploads/${upload.id}`);
      uploads.again();
    },
  });
  const columns = [
    { title: "job.image", cell: (/** @type {any} */ upload) => html`<${Link} class="mono" to=${`/images/${upload.image_id}`}>${upload.image_id}<//>` },
    { title: "image.status", cell: (/** @type {any} */ upload) => html`<${Badge} status=${upload.status} />` },
    { title: "upload_list.received", number: true, cell: (/** @type {any} */ upload) => `${size(upload.received)} / ${size(upload.size)}` },
    { title: "job.progress", cell: Progress },
    { title: "job.since", cell: (/** @type {any} */ upload) => age(upload.created_at) },
    { title: "", cell: (/** @type {any} */ upload) => html`<button type="button" class="small quiet" onClick=${() => end(upload)}>${t("upload_list.end")}</button>` },
  ];
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("upload_list.lead")}</p><${AsCommand} commands=${() => ({ curl: curl("GET", "/v2/uploads") })} />
      <button type="button" onClick=${uploads.again}>${t("refresh")}</button></div>
    <${List} name=${t("admin.tab.uploads")} loaded=${uploads} columns=${columns} keyOf=${(/** @type {any} */ upload) => upload.id} none=${t("upload_list.none")} />
  </section>`;
}

/** @param {any} upload */
function Progress(upload) {
  if (!upload.size) return "–";
  const share = upload.received / upload.size;
  return html`<span class="progress-cell"><progress max="1" value=${share} aria-label=${t("job.progress")}></progress><span class="num">${percent(share)}</span></span>`;
}
