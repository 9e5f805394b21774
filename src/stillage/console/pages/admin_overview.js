// Administration: how the deployment is: stores, what runs, what is damaged, nodes, and requests of the last hour.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { age, dateTime, number, percent, plural, size, t } from "../core/i18n.js";
import { AsCommand } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { List } from "../ui/lists.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";

export function OverviewTab() {
  const status = useLoaded((signal) => getJson("/v2/status", { signal }), []);
  const { data, error, again } = status;
  return html`<div class="loose">
    <div class="page-head"><p class="lead">${t("overview.lead")}</p><${AsCommand} commands=${() => ({ curl: curl("GET", "/v2/status")})} /><button type="button" onClick=${again}>${t("refresh")}</button></div>
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${5} />`}
    ${data && html`<${Now} status=${data} /><${StoreList} loaded=${{ ...status, data: data.stores }} />
      <${NodeList} loaded=${{ ...status, data: data.nodes }} /><${Requests} counts=${data.requests_by_minute} />`}
  </div>`;
}

/** @param {{status: any}} props */
function Now({ status }) {
  const { scrub, jobs } = status;
  /** @type {[string, any][]} */
  const facts = [
    ["overview.damaged", status.damaged_images ? html`<${Badge} status="damaged" /> ${plural("overview.damaged.count", status.damaged_images)}` : t("overview.damaged.none")],
    ["overview.scrub", scrub.blobs ? t("overview.scrub.value", { done: number(scrub.scrubbed), all: number(scrub.blobs), percent: percent(scrub.scrubbed / scrub.blobs) }) : t("overview.scrub.none")],
    ["overview.scrub.latest", scrub.latest ? age(scrub.latest) : t("overview.never")],
    ["overview.uploads", number(status.uploads)],
    ["overview.jobs", t("overview.jobs.value", { running: number(jobs.running), waiting: number(jobs.waiting) })],
    ["help.version", status.version],
  ];
  return html`<section class="stack"><h2>${t("overview.now")}</h2><dl class="facts">${facts.map(([key, value]) => html`<dt key=${key}>${t(key)}</dt><dd>${value}</dd>`)}</dl></section>`;
}

/** @param {{loaded: import("../ui/loading.js").Loaded<any[]>}} props */
function StoreList({ loaded }) {
  const columns = [
    { title: "overview.store", cell: (/** @type {any} */ store) => html`${store.id}<small>${store.type}${store.read_only ? ` · ${t("overview.read_only")}` : ""}</small>` },
    { title: "image.status", cell: (/** @type {any} */ store) => (store.problem ? html`<${Badge} status="failure" /><small class="why">${store.problem}</small>` : html`<${Badge} status="reachable" />`) },
    { title: "overview.blobs", number: true, cell: (/** @type {any} */ store) => number(store.blobs) },
    { title: "overview.used", number: true, cell: (/** @type {any} */ store) => size(store.used_bytes) },
    { title: "overview.free", number: true, cell: (/** @type {any} */ store) => size(store.free_bytes) },
    { title: "overview.full", cell: (/** @type {any} */ store) => {
      if (store.free_bytes === null) return "–";
      const share = store.used_bytes / (store.used_bytes + store.free_bytes || 1);
      return html`<span class="progress-cell"><progress max="1" value=${share} class=${share > 0.9 ? "full" : ""} aria-label=${t("overview.full")}></progress><span class="num">${percent(share)}</span></span>`;
    } },
  ];
  return html`<section class="stack"><h2>${t("overview.stores")}</h2>
    <${List} name=${t("overview.stores")} loaded=${loaded} columns=${columns} keyOf=${(/** @type {any} */ store) => store.id} none="–" /></section>`;
}

/** @param {{loaded: import("../ui/loading.js").Loaded<any[]>}} props */
function NodeList({ loaded }) {
  const columns = [
    { title: "overview.node", cell: (/** @type {any} */ node) => html`<code>${node.id}</code>` },
    { title: "overview.processes", number: true, cell: (/** @type {any} */ node) => number(node.processes) },
    { title: "help.version", cell: (/** @type {any} */ node) => node.versions.join(", ") || "–" },
    { title: "overview.started", cell: (/** @type {any} */ node) => html`<span title=${dateTime(node.started_at)}>${age(node.started_at)}</span>` },
    { title: "overview.leases", number: true, cell: (/** @type {any} */ node) => number(node.leases) },
  ];
  return html`<section class="stack"><h2>${t("overview.nodes")}</h2>
    <${List} name=${t("overview.nodes")} loaded=${loaded} columns=${columns} keyOf=${(/** @type {any} */ node) => node.id} none="–" /></section>`;
}

/** Requests of the last hour, a bar for each minute. @param {{counts: number[]}} props */
function Requests({ counts }) {
  const most = Math.max(1, ...counts);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const said = t("overview.requests.said", { total: number(total), most: number(most) });
  return html`<section class="stack"><h2>${t("overview.requests")}</h2>
    <svg class="spark" viewBox="0 0 ${counts.length * 4} 40" preserveAspectRatio="none" role="img" aria-label=${said}>
      ${counts.map((count, index) => html`<rect key=${index} x=${index * 4} width="3" y=${40 - (count / most) * 40} height=${(count / most) * 40} />`)}
    </svg>
    <p class="note">${said}</p></section>`;
}
