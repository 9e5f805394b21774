// Page: jobs, which are imports, conversions, exports and copies that outlive the request that asked for them.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { jobCommands } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { useLive } from "../core/live.js";
import { changeQuery, place } from "../core/router.js";
import { isAdmin } from "../core/session.js";
import { useStore } from "../core/store.js";
import { AsCommand } from "../ui/as_command.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { markerIn, Paging } from "../ui/paging.js";
import { Problem } from "../ui/problem.js";
import { ImportButton } from "./import_image.js";
import { JOB_STATES, JobTable, stateText } from "./job_table.js";

const PAGE_SIZE = 30;

/** The request for the page of jobs that the address asks for. @param {URLSearchParams} address @returns {URLSearchParams} */
function wantedJobs(address) {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  for (const name of ["state", "marker"]) {
    const value = address.get(name);
    if (value) query.set(name, value);
  }
  return query;
}

export function JobsPage() {
  const { query: address } = useStore(place);
  const query = wantedJobs(address);
  const { data, error, again } = useLoaded((signal) => getJson(`/v2/jobs?${query}`, { signal }), [query.toString()]);
  useLive(({ kind }) => kind === "job", again);
  const jobs = data?.jobs;
  return html`
    <div class="page-head">
      <h1>${t("nav.jobs")}</h1>
      <${AsCommand} commands=${() => jobCommands(query, isAdmin())} />
      <button type="button" onClick=${again}>${t("refresh")}</button>
      <${ImportButton} done=${again} />
    </div>
    <section class="stack">
      <p class="lead">${t("jobs.lead")}</p>
      <${States} chosen=${query.get("state")} />
      ${error && html`<${Problem} error=${error} retry=${again} />`}
      ${!jobs && !error && html`<${Skeleton} />`}
      ${jobs?.length > 0 && html`<${JobTable} jobs=${jobs} withImage /><${Paging} marker=${markerIn(data.next)} />`}
      ${jobs?.length === 0 && html`<div class="empty"><h2>${t("jobs.none")}</h2><p>${t("jobs.none.why")}</p></div>`}
    </section>
  `;
}

/** @param {{chosen: string | null}} props */
function States({ chosen }) {
  const choices = [null, ...JOB_STATES];
  return html`<div class="tools" role="group" aria-label=${t("job.status")}>
    ${choices.map((each) => html`<button key=${each} type="button" aria-pressed=${each === chosen} onClick=${() => changeQuery({ state: each, marker: null })}>${each ? stateText(each) : t("jobs.all")}</button>`)}
  </div>`;
}
