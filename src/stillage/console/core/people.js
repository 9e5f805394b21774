// The Identity API and quotas as the administration uses them.

import { getJson, request } from "./api.js";

const V3 = "/identity/v3";

/** @typedef {{id: string, name: string, enabled: boolean, description?: string, default_project_id?: string | null}} User */
/** @typedef {{id: string, name: string, enabled: boolean, description: string}} Project */
/** @typedef {{id: string, name: string}} Named */
/** @typedef {{project: Named, role: Named}} Assignment  A role that a user has in a project. */

/** A page of users. @param {URLSearchParams} query @param {AbortSignal} signal @returns {Promise<{users: User[], links: {next?: string | null}}>} */
export function listUsers(query, signal) {
  return getJson(`${V3}/users?${query}`, { signal });
}

/** The ids of all who may administer. @param {AbortSignal} signal @returns {Promise<ReadonlySet<string>>} */
export async function listAdministrators(signal) {
  const admin = (await listRoles(signal)).find(({ name }) => name === "admin");
  const found = await getJson(`${V3}/role_assignments?role.id=${admin?.id ?? ""}`, { signal });
  return new Set(found.role_assignments.map((/** @type {{user: {id: string}}} */ each) => each.user.id));
}

/** What a user may do, and in which projects. @param {string} user @param {AbortSignal} signal @returns {Promise<Assignment[]>} */
export async function assignmentsOf(user, signal) {
  const found = await getJson(`${V3}/role_assignments?user.id=${user}&include_names=true`, { signal });
  return found.role_assignments.map((/** @type {any} */ each) => ({ project: each.scope.project, role: each.role }));
}

/** @param {string} user @param {Assignment} assignment */
export function grantRole(user, assignment) {
  return request("PUT", pathOfRole(user, assignment));
}

/** Take a role; the user's sessions and tokens for the project end. @param {string} user @param {Assignment} assignment */
export function revokeRole(user, assignment) {
  return request("DELETE", pathOfRole(user, assignment));
}

/** @param {string} user @param {Assignment} assignment @returns {string} */
export function pathOfRole(user, { project, role }) {
  return `${V3}/projects/${project.id}/users/${user}/roles/${role.id}`;
}

/** @param {AbortSignal} signal @returns {Promise<Project[]>} */
export async function listProjects(signal) {
  return (await getJson(`${V3}/projects`, { signal })).projects;
}

/** @param {AbortSignal} signal @returns {Promise<Named[]>} */
export async function listRoles(signal) {
  return (await getJson(`${V3}/roles`, { signal })).roles;
}

/**
 * Create a user, who has a role in their default project.
 * @param {{name: string, password: string, project: string, role: string}} wanted Ids of project and role.
 */
export async function createUser({ name, password, project, role }) {
  const body = { user: { name, password, default_project_id: project } };
  const { user } = (await request("POST", `${V3}/users`, { body })).json;
  await request("PUT", `${V3}/projects/${project}/users/${user.id}/roles/${role}`);
  return user;
}

/** @param {string} id @param {Record<string, unknown>} changes */
export function changeUser(id, changes) {
  return request("PATCH", `${V3}/users/${id}`, { body: { user: changes } });
}

/** @param {string} id */
export function deleteUser(id) {
  return request("DELETE", `${V3}/users/${id}`);
}

/** @param {string} name @param {string} description */
export function createProject(name, description) {
  return request("POST", `${V3}/projects`, { body: { project: { name, description } } });
}

/** @param {string} id @param {Record<string, unknown>} changes */
export function changeProject(id, changes) {
  return request("PATCH", `${V3}/projects/${id}`, { body: { project: changes } });
}

/**
 * @typedef {{bytes: number, images: number, uploads: number, jobs: number}} Numbers
 * @typedef {{project_id: string, limits: Numbers, own: (keyof Numbers)[], usage: Numbers}} Quota  A limit of -1 is none.
 */

/** What projects use and may use, by the id of the project. @param {AbortSignal} signal @returns {Promise<Map<string, Quota>>} */
export async function quotasByProject(signal) {
  const { usage } = await getJson("/v2/usage?by=project", { signal });
  return new Map(usage.map((/** @type {Quota} */ quota) => [quota.project_id, quota]));
}

/** Replace the limits of a project; null leaves one to the settings. @param {string} id @param {Record<string, number | null>} limits */
export function setQuota(id, limits) {
  return request("PUT", `/v2/quotas/${id}`, { body: { limits } });
}
