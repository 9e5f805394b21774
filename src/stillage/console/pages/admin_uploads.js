// Administration: the open uploads of all projects, each with how far it is; one can be ended.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson, request } from "../core/api.js";
import { curl } from "../core/commands.js";
import { age, percent, size, t } from "../core/i18n.js";
import { pathOf } from "../core/images.js";
import { Link, place } from "../core/router.js";
import { useStore } from "../core/store.js";
import { AsCommand } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { ask } from "../ui/dialog.js";
import { List } from "../ui/lists.js";
import { useLoaded } from "../ui/loading.js";
import { markerIn, Paging } from "../ui/paging.js";

const PAGE_SIZE = 50;

export function UploadsTab() {
  const marker = useStore(place).query.get("marker");
  const page = `/v2/uploads?${new URLSearchParams({ limit: String(PAGE_SIZE), ...(marker && { marker }) })}`;
  const { data, ...uploads } = useLoaded((signal) => getJson(page, { signal }), [page]);
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
    <div class="page-head"><p class="lead">${t("upload_list.lead")}</p><${AsCommand} commands=${() => ({ curl: curl("GET", page) })} />
      <button type="button" onClick=${uploads.again}>${t("refresh")}</button></div>
    <${List} name=${t("admin.tab.uploads")} loaded=${{ ...uploads, data: data?.uploads ?? null }} columns=${columns} keyOf=${(/** @type {any} */ upload) => upload.id} none=${t("upload_list.none")} />
    ${data && html`<${Paging} marker=${markerIn(data.next)} />`}
  </section>`;
}

/** @param {any} upload */
function Progress(upload) {
  if (!upload.size) return "–";
  const share = upload.received / upload.size;
  return html`<span class="progress-cell"><progress max="1" value=${share} aria-label=${t("job.progress")}></progress><span class="num">${percent(share)}</span></span>`;
}
