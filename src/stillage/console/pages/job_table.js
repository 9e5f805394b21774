// Jobs as rows: what, how far, how it ended and why.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { age, dateTime, hasText, percent, t } from "../core/i18n.js";
import { Link } from "../core/router.js";
import { Badge } from "../ui/badge.js";

/** @typedef {{id: string, kind: string, state: string, step: string, progress: number, image_id: string | null, message: string | null, created_at: string, updated_at: string}} Job */

/** The words of images for the states of jobs. @type {Record<string, string>} */
const STATUSES = { accepted: "pending", running: "processing", done: "success", failed: "failure" };
export const JOB_STATES = Object.keys(STATUSES);

/** @param {string} state @returns {string} */
export function stateText(state) {
  return t(`status.${STATUSES[state] ?? state}`);
}

/** @param {{jobs: Job[], withImage?: boolean}} props */
export function JobTable({ jobs, withImage }) {
  return html`<div class="table" tabindex="0" role="group" aria-label=${t("nav.jobs")}><table>
    <caption class="visually-hidden">${t("nav.jobs")}</caption>
    <thead><tr>
      <th scope="col">${t("job.kind")}</th><th scope="col">${t("job.status")}</th>
      ${withImage && html`<th scope="col">${t("job.image")}</th>`}
      <th scope="col">${t("job.since")}</th><th scope="col">${t("job.changed")}</th>
    </tr></thead>
    <tbody>${jobs.map((job) => html`<tr key=${job.id} data-row>
      <td>${hasText(`job.kind.${job.kind}`) ? t(`job.kind.${job.kind}`) : job.kind}<small class="mono">${job.id}</small></td>
      <td><${JobStatus} job=${job} /></td>
      ${withImage && html`<td>${job.image_id ? html`<${Link} class="mono" to=${`/images/${job.image_id}`}>${job.image_id}<//>` : "–"}</td>`}
      <td title=${dateTime(job.created_at)}>${age(job.created_at)}</td>
      <td title=${dateTime(job.updated_at)}>${age(job.updated_at)}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

/** @param {{job: Job}} props */
function JobStatus({ job }) {
  const runs = job.state === "running";
  return html`<${Badge} status=${STATUSES[job.state] ?? job.state} />
    ${runs && html`<span class="progress-cell"><progress max="1" value=${job.progress} aria-label=${t("job.progress")}></progress><span class="num">${percent(job.progress)}</span></span>`}
    ${job.message && html`<small class="why"><bdi>${job.message}</bdi></small>`}`;
}
