// Tab of an image: what happened to it: its record, uploads, the verdict on its bytes, jobs and audit.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { dateTime, number, size, t } from "../core/i18n.js";
import { pathOf } from "../core/images.js";
import { useLive } from "../core/live.js";
import { place } from "../core/router.js";
import { useStore } from "../core/store.js";
import { Snippet } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { markerIn, Paging } from "../ui/paging.js";
import { Problem } from "../ui/problem.js";
import { AuditTable } from "./audit_table.js";
import { JobTable } from "./job_table.js";

/** @typedef {import("../core/images.js").Image} Image */

const EVENTS = 50; // of one page

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
  const marker = useStore(place).query.get("marker");
  const events = new URLSearchParams({ target: image.id, limit: String(EVENTS), ...(marker && { marker }) });
  const { data, error, again } = useLoaded(
    (signal) => Promise.all([
      getJson(`/v2/jobs?image_id=${image.id}&limit=100`, { signal }),
      perhaps(`/v2/audit?${events}`, signal),
      perhaps(`${pathOf(image.id)}/verdict`, signal),
      perhaps(`${pathOf(image.id)}/uploads`, signal),
    ]),
    [image.id, image.updated_at, marker],
  );
  useLive(({ kind, data: told }) => kind === "job" && told.image_id === image.id, again);
  if (error) return html`<${Problem} error=${error} retry=${again} />`;
  if (!data) return html`<${Skeleton} />`;
  const [{ jobs }, audit, verdict, open] = data;
  return html`<div class="loose">
    <section class="stack"><h2>${t("history.record")}</h2><${Moments} image=${image} /></section>
    ${verdict && html`<section class="stack"><h2>${t("history.verdict")}</h2><${Verdict} verdict=${verdict} /></section>`}
    <section class="stack"><h2>${t("history.uploads")}</h2><${OpenUploads} uploads=${open?.uploads ?? []} /></section>
    <section class="stack"><h2>${t("history.jobs")}</h2>
      ${jobs.length ? html`<${JobTable} jobs=${jobs} />` : html`<p class="note">${t("history.jobs.none")}</p>`}</section>
    ${audit && html`<section class="stack"><h2>${t("history.audit")}</h2><${AuditTable} events=${audit.events} /><${Paging} marker=${markerIn(audit.next)} /></section>`}
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

/** Whether the bytes were accepted, and if not, by which rule and where. @param {{verdict: any}} props */
function Verdict({ verdict }) {
  const { accepted, message, rule, offset, found, declared, fix, format, subformat } = verdict;
  if (accepted === null) return html`<p class="note">${message ?? t("history.verdict.none")}</p>`;
  /** @type {[string, any][]} */
  const facts = [
    ["history.verdict", html`<${Badge} status=${accepted ? "accepted" : "refused"} />`],
    ["history.verdict.why", message && html`<bdi>${message}</bdi>`],
    ["rule.id", rule && html`<code>${rule}</code>`],
    ["history.verdict.byte", offset === null || offset === undefined ? null : number(offset)],
    ["history.verdict.found", found ?? [format, subformat].filter(Boolean).join(", ")],
    ["history.verdict.declared", declared],
  ];
  return html`<dl class="facts">${facts.map(([key, value]) => value && html`<dt key=${key}>${t(key)}</dt><dd>${value}</dd>`)}</dl>
    ${fix && html`<${Snippet} text=${fix} />`}`;
}

/** @param {{uploads: any[]}} props */
function OpenUploads({ uploads }) {
  if (!uploads.length) return html`<p class="note">${t("history.uploads.none")}</p>`;
  return html`<ol class="moments">${uploads.map((upload) => html`<li key=${upload.id}>
    <time datetime=${upload.created_at}>${dateTime(upload.created_at)}</time>
    <span>${t("history.uploads.open", { received: size(upload.received), size: size(upload.size), verified: size(upload.verified), end: dateTime(upload.expires_at) })}</span>
  </li>`)}</ol>`;
}
