// The image API as the pages use it: lists, one image, changes, members.

import { getJson, request } from "./api.js";

/**
 * @typedef {object} Image A record; properties stand beside the members that are named here.
 * @property {string} id
 * @property {string | null} name
 * @property {string} status
 * @property {string} visibility
 * @property {boolean} protected
 * @property {boolean} os_hidden
 * @property {string} owner
 * @property {string | null} disk_format
 * @property {string | null} container_format
 * @property {number} min_disk
 * @property {number} min_ram
 * @property {string[]} tags
 * @property {number | null} size
 * @property {number | null} virtual_size
 * @property {string | null} checksum
 * @property {string | null} os_hash_algo
 * @property {string | null} os_hash_value
 * @property {string} created_at
 * @property {string} updated_at
 * @property {string} [os_stillage_reason]
 * @property {string} [os_stillage_damage]
 * @property {string} [os_distro]
 * @property {string} [stores]
 */

/** @typedef {{images: Image[], next?: string}} ImagePage */
/** @typedef {{member_id: string, status: string, created_at: string, updated_at: string}} Member */

const PATCH = "application/openstack-images-v2.1-json-patch";
const BASE = new Set([
  "id", "name", "status", "visibility", "protected", "os_hidden", "owner", "disk_format", "container_format", "min_disk",
  "min_ram", "tags", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at",
  "self", "file", "schema", "stores", "direct_url", "locations",
]);

/** @param {Image} image @returns {[string, string][]} Its properties, by name. */
export function propertiesOf(image) {
  const known = Object.entries(image).filter(([name]) => !BASE.has(name) && !name.startsWith("os_stillage"));
  return /** @type {[string, string][]} */ (known.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** @param {Image | null} image @returns {string} */
export function nameOf(image) {
  return image?.name || image?.id || "";
}

/** @param {string} id @returns {string} */
export function pathOf(id) {
  return `/v2/images/${encodeURIComponent(id)}`;
}

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Image>} */
export function showImage(id, signal) {
  return getJson(pathOf(id), signal ? { signal } : {});
}

/** @param {string} id @param {{op: string, path: string, value?: unknown}[]} changes @returns {Promise<Image>} */
export async function changeImage(id, changes) {
  return (await request("PATCH", pathOf(id), { body: changes, headers: { "Content-Type": PATCH } })).json;
}

/** @param {string} id @param {Record<string, unknown>} values @returns {Promise<Image>} */
export function setAttributes(id, values) {
  return changeImage(id, Object.entries(values).map(([name, value]) => ({ op: "add", path: `/${escapePointer(name)}`, value })));
}

/** @param {string} name @returns {string} As a part of a JSON pointer (RFC 6901). */
export function escapePointer(name) {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** @param {string} id */
export function deleteImage(id) {
  return request("DELETE", pathOf(id));
}

/** @param {string} id @param {string} tag */
export function addTag(id, tag) {
  return request("PUT", `${pathOf(id)}/tags/${encodeURIComponent(tag)}`);
}

/** @param {string} id @param {string} project */
export function addMember(id, project) {
  return request("POST", `${pathOf(id)}/members`, { body: { member: project } });
}

/** @param {string} id @param {string} project */
export function removeMember(id, project) {
  return request("DELETE", `${pathOf(id)}/members/${encodeURIComponent(project)}`);
}

/** Accept an image that was shared with *project*, or reject it. @param {string} id @param {string} project @param {string} status */
export function answerOffer(id, project, status) {
  return request("PUT", `${pathOf(id)}/members/${encodeURIComponent(project)}`, { body: { status } });
}
