// Tab of an image: what happened to it: the verdict on its bytes, its jobs, and its audit where one may see it.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { age, dateTime, t } from "../core/i18n.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { JobTable } from "./job_table.js";

/** @typedef {import("../core/images.js").Image} Image */

/** What may be missing: null for a document that is not there or that one may not see. @param {string} path @param {AbortSignal} signal */
async function perhaps(path, signal) {
  try {
    return await getJson(path, { signal });
  } catch (error) {
    if ([403, 404].includes(/** @type {any} */ (error).status)) return null;
    throw error;
  }
}

/** @param {{image: Image}} props */
export function History({ image }) {
  const { data, error, again } = useLoaded(
    (signal) => Promise.all([
      getJson(`/v2/jobs?image_id=${image.id}&limit=100`, { signal }),
      perhaps(`/v2/audit?target=${image.id}`, signal),
    ]),
    [image.id, image.updated_at],
  );
  if (error) return html`<${Problem} error=${error} retry=${again} />`;
  if (!data) return html`<${Skeleton} />`;
  const [{ jobs }, audit] = data;
  return html`<div class="loose">
    <section class="stack"><h2>${t("history.record")}</h2><${Moments} image=${image} /></section>
    <section class="stack"><h2>${t("history.jobs")}</h2>
      ${jobs.length ? html`<${JobTable} jobs=${jobs} />` : html`<p class="note">${t("history.jobs.none")}</p>`}</section>
    ${audit && html`<section class="stack"><h2>${t("history.audit")}</h2><${Audit} events=${audit.events ?? []} /></section>`}
  </div>`;
}

/** @param {{image: Image}} props */
function Moments({ image }) {
  const bad = image.os_stillage_damage ?? image.os_stillage_reason;
  return html`<ol class="moments">
    <li><time datetime=${image.created_at}>${dateTime(image.created_at)}</time>${t("history.created")}</li>
    ${bad && html`<li class="bad"><time datetime=${image.updated_at}>${dateTime(image.updated_at)}</time><span>${t("history.refused")}<br /><bdi>${bad}</bdi></span></li>`}
    ${image.status === "active" && html`<li><time datetime=${image.updated_at}>${dateTime(image.updated_at)}</time>${t("history.changed")}</li>`}
  </ol>`;
}

/** @param {{events: any[]}} props */
export function Audit({ events }) {
  if (!events.length) return html`<p class="note">${t("history.audit.none")}</p>`;
  return html`<div class="table" tabindex="0" role="group" aria-label=${t("history.audit")}><table>
    <caption class="visually-hidden">${t("history.audit")}</caption>
    <thead><tr><th scope="col">${t("audit.when")}</th><th scope="col">${t("audit.who")}</th><th scope="col">${t("audit.what")}</th><th scope="col">${t("audit.target")}</th><th scope="col">${t("audit.outcome")}</th></tr></thead>
    <tbody>${events.map((event, index) => html`<tr key=${event.id ?? index}>
      <td title=${dateTime(event.eventTime)}>${age(event.eventTime)}</td>
      <td><bdi>${event.initiator?.name ?? event.initiator?.id ?? "–"}</bdi>${event.initiator?.host?.address && html`<small>${event.initiator.host.address}</small>`}</td>
      <td>${event.action}</td>
      <td><bdi class="mono">${event.target?.id ?? "–"}</bdi></td>
      <td>${event.outcome}${event.reason && html`<small>${event.reason.reasonCode}</small>`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}
