// Jobs as rows: what, how far, how it ended and why.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { age, dateTime, hasText, percent, t } from "../core/i18n.js";
import { Link } from "../core/router.js";
import { Badge } from "../ui/badge.js";

/** @param {{tasks: any[], withImage?: boolean}} props */
export function TaskTable({ tasks, withImage }) {
  return html`<div class="table" tabindex="0" role="group" aria-label=${t("nav.jobs")}><table>
    <caption class="visually-hidden">${t("nav.jobs")}</caption>
    <thead><tr>
      <th scope="col">${t("job.kind")}</th><th scope="col">${t("job.status")}</th>
      ${withImage && html`<th scope="col">${t("job.image")}</th>`}
      <th scope="col">${t("job.since")}</th><th scope="col">${t("job.changed")}</th>
    </tr></thead>
    <tbody>${tasks.map((task) => html`<tr key=${task.id} data-row>
      <td>${hasText(`job.kind.${task.type}`) ? t(`job.kind.${task.type}`) : task.type}<small class="mono">${task.id}</small></td>
      <td><${TaskStatus} task=${task} /></td>
      ${withImage && html`<td>${task.image_id ? html`<${Link} class="mono" to=${`/images/${task.image_id}`}>${task.image_id}<//>` : "–"}</td>`}
      <td title=${dateTime(task.created_at)}>${age(task.created_at)}</td>
      <td title=${dateTime(task.updated_at)}>${age(task.updated_at)}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

/** @param {{task: any}} props */
function TaskStatus({ task }) {
  const share = task.os_stillage_progress;
  return html`<${Badge} status=${task.status} />
    ${share !== undefined && html`<span class="progress-cell"><progress max="1" value=${share} aria-label=${t("job.progress")}></progress><span class="num">${percent(share)}</span></span>`}
    ${task.message && html`<small class="why"><bdi>${task.message}</bdi></small>`}`;
}
