// Page: jobs, which are imports, conversions, exports and copies that outlive the request that asked for them.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { ApiError, getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { pathOf } from "../core/images.js";
import { useLive } from "../core/live.js";
import { isAdmin, session } from "../core/session.js";
import { AsCommand } from "../ui/as_command.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { ImportButton } from "./import_image.js";
import { TaskTable } from "./task_table.js";

const SHOWN = 50;

/**
 * The jobs that one may see: an administrator all of them; others those of the project's images that run now, and of
 * the newest ones.
 * @param {AbortSignal} signal
 * @returns {Promise<any[]>}
 */
async function loadTasks(signal) {
  if (isAdmin()) return (await getJson(`/v2/tasks?limit=${SHOWN}`, { signal })).tasks;
  const query = `owner=${session.get()?.project.id ?? ""}&sort=updated_at:desc&limit=20`;
  const { images } = await getJson(`/v2/images?${query}`, { signal });
  const found = await Promise.all(images.map((/** @type {any} */ image) => tasksOf(image.id, signal)));
  return found.flat().sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
}

/** @param {string} id @param {AbortSignal} signal @returns {Promise<any[]>} */
async function tasksOf(id, signal) {
  try {
    return (await getJson(`${pathOf(id)}/tasks`, { signal })).tasks;
  } catch (error) {
    if (error instanceof ApiError && [403, 404].includes(error.status)) return [];
    throw error;
  }
}

export function JobsPage() {
  const { data: tasks, error, again } = useLoaded(loadTasks, []);
  useLive(({ kind }) => kind === "job", again);
  const commands = () => ({ curl: curl("GET", isAdmin() ? `/v2/tasks?limit=${SHOWN}` : "/v2/images/IMAGE_ID/tasks"), stillage: "stillage job list", openstack: "openstack image task list" });
  return html`
    <div class="page-head">
      <h1>${t("nav.jobs")}</h1>
      <${AsCommand} commands=${commands} />
      <button type="button" onClick=${again}>${t("refresh")}</button>
      <${ImportButton} done=${again} />
    </div>
    <p class="lead">${t("jobs.lead")}</p>
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!tasks && !error && html`<${Skeleton} />`}
    ${tasks && tasks.length > 0 && html`<${TaskTable} tasks=${tasks} withImage />`}
    ${tasks && !tasks.length && html`<div class="empty"><h2>${t("jobs.none")}</h2><p>${t("jobs.none.why")}</p></div>`}
  `;
}
