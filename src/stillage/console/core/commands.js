// What is on the screen as commands: curl, openstack, stillage, Terraform. One module, so that they stay alike.

import { serverUrl } from "./config.js";
import { nameOf } from "./images.js";

/** @typedef {{curl?: string, openstack?: string, stillage?: string, terraform?: string}} Commands */

/** @param {string} text @returns {string} As one word of a shell. */
export function shellWord(text) {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** @param {string} text @returns {string} As a string of Terraform's language, which expands nothing in it. */
function terraformText(text) {
  return JSON.stringify(text).replaceAll("${", () => "$${").replaceAll("%{", "%%{");
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, type?: string, output?: string}} [more]
 * @returns {string}
 */
export function curl(method, path, more = {}) {
  const lines = [`curl -sS${method === "GET" ? "" : ` -X ${method}`} ${shellWord(serverUrl + path)}`, '-H "X-Auth-Token: $OS_TOKEN"'];
  if (more.body !== undefined) {
    lines.push(`-H "Content-Type: ${more.type ?? "application/json"}"`, `-d ${shellWord(JSON.stringify(more.body))}`);
  }
  if (more.output) lines.push(`-o ${shellWord(more.output)}`);
  return lines.join(" \\\n  ");
}

/** @param {URLSearchParams} query Of the list, as it is sent. @returns {Commands} */
export function listCommands(query) {
  /** @type {Record<string, string>} */
  const options = { name: "--name", status: "--status", tag: "--tag", owner: "--project", sort: "--sort", limit: "--limit", member_status: "--member-status" };
  const words = ["openstack image list"];
  for (const [name, value] of query) {
    if (name === "visibility") words.push(`--${value}`);
    else if (name === "os_hidden") words.push("--hidden");
    else if (options[name] && name !== "marker") words.push(options[name] ?? "", shellWord(value));
    else if (name !== "marker") words.push("--property", shellWord(`${name}=${value}`));
  }
  const name = query.get("name")?.replace(/^(contains|eq):/, "");
  const filter = [name && `  name = ${terraformText(name)}`, query.get("tag") && `  tag = ${terraformText(query.get("tag") ?? "")}`, "  most_recent = true"];
  return {
    curl: curl("GET", `/v2/images?${query}`),
    openstack: words.join(" "),
    terraform: `data "openstack_images_image_v2" "image" {\n${filter.filter(Boolean).join("\n")}\n}`,
  };
}

/** @param {URLSearchParams} query Of the list of jobs, as it is sent. @param {boolean} isAdmin @returns {Commands} */
export function jobCommands(query, isAdmin) {
  const state = query.get("state");
  const commands = { curl: curl("GET", `/v2/jobs?${query}`) };
  // Glance shows tasks to administrators; the command of ours reads the database, on the machine of the server.
  return isAdmin ? { ...commands, openstack: "openstack image task list", stillage: `stillage job list${state ? ` --state ${state}` : ""}` } : commands;
}

/** @param {import("./images.js").Image} image @returns {Commands} */
export function imageCommands(image) {
  const { id } = image;
  const file = `${nameOf(image).replaceAll("/", "_")}.${image.disk_format ?? "img"}`;
  return {
    curl: `${curl("GET", `/v2/images/${id}`)}\n\n${curl("GET", `/v2/images/${id}/file`, { output: file })}`,
    openstack: `openstack image show ${id}\nopenstack image save --file ${shellWord(file)} ${id}`,
    stillage: `stillage download ${id} ${shellWord(file)}`,
    terraform: resourceOf(image),
  };
}

/** @param {import("./images.js").Image} image @returns {string} */
function resourceOf(image) {
  const lines = [
    `  name             = ${terraformText(nameOf(image))}`,
    `  container_format = ${terraformText(image.container_format ?? "bare")}`,
    `  disk_format      = ${terraformText(image.disk_format ?? "raw")}`,
    `  local_file_path  = ${terraformText(`${nameOf(image)}.${image.disk_format ?? "img"}`)}`,
    `  visibility       = ${terraformText(image.visibility)}`,
  ];
  if (image.protected) lines.push("  protected        = true");
  if (image.tags.length) lines.push(`  tags             = [${image.tags.slice(0, 20).map(terraformText).join(", ")}]`);
  return `resource "openstack_images_image_v2" "image" {\n${lines.join("\n")}\n}`;
}

/** @param {import("./images.js").Image} image @param {string[]} projects With which it is shared. @returns {Commands} */
export function sharingCommands(image, projects) {
  const shown = projects.length ? projects : ["PROJECT_ID"];
  return {
    curl: shown.map((project) => curl("POST", `/v2/images/${image.id}/members`, { body: { member: project } })).join("\n\n"),
    openstack: shown.map((project) => `openstack image add project ${image.id} ${shellWord(project)}`).join("\n"),
    terraform: shown
      .map((project, index) => `resource "openstack_images_image_access_v2" "member_${index + 1}" {\n  image_id  = "${image.id}"\n  member_id = ${terraformText(project)}\n}`)
      .join("\n\n"),
  };
}

/** How an image is used, by the end of the key of its title. @param {import("./images.js").Image} image @returns {[string, string][]} */
export function useCommands(image) {
  const { id } = image;
  const host = serverUrl.replace(/^https?:\/\//, "");
  const disk = image.min_disk || Math.max(1, Math.ceil((image.virtual_size ?? 0) / 2 ** 30));
  return [
    ["server", `openstack server create web-1 \\\n  --image ${id} \\\n  --flavor m1.small --network private`],
    ["volume", `openstack volume create root --image ${id} --size ${disk} --bootable`],
    ["terraform", `data "openstack_images_image_v2" "image" {\n  image_id = "${id}"\n}\n\nresource "openstack_compute_instance_v2" "web" {\n  name        = "web-1"\n  image_id    = data.openstack_images_image_v2.image.id\n  flavor_name = "m1.small"\n}`],
    ["qemu", `OS_TOKEN=$(openstack token issue -f value -c id)\nqemu-system-x86_64 -m 2048 -snapshot -drive "if=virtio,format=raw,\\\nfile=https://token:$OS_TOKEN@${host}/v2/images/${id}/disk"`],
    ["file", `stillage download ${id} ${shellWord(`${nameOf(image).replaceAll("/", "_")}.${image.disk_format ?? "img"}`)}`],
  ];
}
