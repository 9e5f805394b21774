// What is on the screen as commands: curl, openstack, stillage, Terraform. One module, so that they stay alike.

import { config, serverUrl } from "./config.js";
import { nameOf } from "./images.js";

/** @typedef {{curl?: string, openstack?: string, stillage?: string, terraform?: string}} Commands */

/** curl trusts the authority of this server only if it is told to: the page Access has the file. */
export const CURL = `curl -sS${config.authority ? " --cacert ca.pem" : ""}`;

/** @param {string} text @returns {string} As one word of a shell. */
export function shellWord(text) {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** @param {string} option @param {string} value @returns {string} An option; its value may begin with a hyphen. */
function optionOf(option, value) {
  return `${option}${value.startsWith("-") ? "=" : " "}${shellWord(value)}`;
}

/** @param {string} text @returns {string} As a string of Terraform's language, which expands nothing in it. */
export function terraformText(text) {
  return JSON.stringify(text).replaceAll("${", () => "$${").replaceAll("%{", "%%{");
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, type?: string}} [more]
 * @returns {string}
 */
export function curl(method, path, more = {}) {
  const lines = [`${CURL}${method === "GET" ? "" : ` -X ${method}`} ${shellWord(serverUrl + path)}`, '-H "X-Auth-Token: $OS_TOKEN"'];
  if (more.body !== undefined) {
    lines.push(`-H "Content-Type: ${more.type ?? "application/json"}"`, `-d ${shellWord(JSON.stringify(more.body))}`);
  }
  return lines.join(" \\\n  ");
}

/** Options of the programs by names of filters; what stands in neither is a property. @type {Record<string, string>} */
const OF_OPENSTACK = { name: "--name", status: "--status", tag: "--tag", owner: "--project", sort: "--sort", limit: "--limit", member_status: "--member-status" };
/** @type {Record<string, string>} */
const OF_STILLAGE = { name: "--name", status: "--status", tag: "--tag", owner: "--owner", visibility: "--visibility", limit: "--limit" };
const NOT_SENT = new Set(["marker", "sort_key", "sort_dir", "__imagetype"]);

/**
 * A list of images, as it is on the screen. A program that cannot ask for it has no command.
 * @param {{path: string, query: URLSearchParams}} wanted As it is sent.
 * @returns {Commands}
 */
export function listCommands({ path, query }) {
  const id = query.get("id");
  const name = query.get("name")?.replace(/^(contains|eq):/, "");
  const tag = query.get("tag");
  const filter = [name && `  name = ${terraformText(name)}`, tag && `  tag = ${terraformText(tag)}`, "  most_recent = true"];
  return {
    curl: curl("GET", `${path}?${query}`),
    openstack: id ? `openstack image show ${id}` : openstackList(query),
    ...stillageList(query, id),
    terraform: id ? terraformImage(id) : `data "openstack_images_image_v2" "image" {\n${filter.filter(Boolean).join("\n")}\n}`,
  };
}

/** @param {URLSearchParams} query @returns {string} */
function openstackList(query) {
  const words = ["openstack image list"];
  if (query.get("__imagetype") === "shared") words.push("--shared");
  for (const [name, value] of query) {
    if (NOT_SENT.has(name)) continue;
    if (name === "visibility") words.push(`--${value}`);
    else if (name === "os_hidden") words.push("--hidden");
    else if (OF_OPENSTACK[name]) words.push(optionOf(OF_OPENSTACK[name], value));
    else words.push("--property", shellWord(`${name}=${value}`));
  }
  const key = query.get("sort_key");
  if (key) words.push("--sort", shellWord(`${key}:${query.get("sort_dir") ?? "asc"}`));
  return words.join(" ");
}

/** @param {URLSearchParams} query @param {string | null} id @returns {Commands} */
function stillageList(query, id) {
  if (id) return { stillage: `stillage image show ${id}` };
  const words = ["stillage image list"];
  for (const [name, value] of query) {
    if (name === "marker") continue;
    if (name === "os_hidden") words.push("--hidden");
    else if (OF_STILLAGE[name] && !value.startsWith("contains:")) words.push(optionOf(OF_STILLAGE[name], value));
    else return {};
  }
  return { stillage: words.join(" ") };
}

/** @param {string} id @returns {string} */
function terraformImage(id) {
  return `data "openstack_images_image_v2" "image" {\n  image_id = "${id}"\n}`;
}

/** @param {URLSearchParams} query Of the list of jobs, as it is sent. @param {boolean} isAdmin @returns {Commands} */
export function jobCommands(query, isAdmin) {
  const state = query.get("state");
  const commands = { curl: curl("GET", `/v2/jobs?${query}`) };
  // Glance shows tasks to administrators; the command of ours reads the database, on the machine of the server.
  return isAdmin ? { ...commands, openstack: "openstack image task list", stillage: `stillage job list${state ? ` --state ${state}` : ""}` } : commands;
}

/** @param {import("./images.js").Image} image @returns {string} The name of its file, as one word of a shell. */
export function fileOf(image) {
  const name = `${nameOf(image).replaceAll("/", "_")}.${image.disk_format ?? "img"}`;
  return shellWord(name.startsWith("-") ? `./${name}` : name);
}

/** What a tab of an image shows. @param {import("./images.js").Image} image @param {string} tab @returns {Commands} */
export function imageCommands(image, tab) {
  const { id } = image;
  const path = `/v2/images/${id}`;
  const read = (/** @type {string[]} */ ...ends) => ({ curl: ends.map((end) => curl("GET", path + end)).join("\n\n") });
  if (tab === "disk") return read("/verdict", "/map?cells=512", "/layout");
  if (tab === "history") return { curl: [curl("GET", `/v2/jobs?image_id=${id}`), curl("GET", `/v2/audit?target=${id}`), curl("GET", `${path}/verdict`)].join("\n\n") };
  if (tab === "sharing") return { ...read("/members"), openstack: `openstack image member list ${id}`, stillage: `stillage image share ${id}` };
  const shown = {
    curl: [curl("GET", path), curl("GET", `${path}/copies`)].join("\n\n"),
    openstack: `openstack image show ${id}`,
    stillage: `stillage image show ${id}`,
    terraform: resourceOf(image),
  };
  if (image.status !== "active") return shown;
  const file = fileOf(image);
  return {
    ...shown,
    curl: `${shown.curl}\n\n${CURL} ${shellWord(`${serverUrl}${path}/file`)} \\\n  -H "X-Auth-Token: $OS_TOKEN" \\\n  -o ${file}`,
    openstack: `${shown.openstack}\nopenstack image save --file ${file} ${id}`,
    stillage: `${shown.stillage}\nstillage download ${id} -o ${file}`,
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
    stillage: `stillage image share ${image.id} ${shown.map(shellWord).join(" ")}`,
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
    ["terraform", `${terraformImage(id)}\n\nresource "openstack_compute_instance_v2" "web" {\n  name        = "web-1"\n  image_id    = data.openstack_images_image_v2.image.id\n  flavor_name = "m1.small"\n}`],
    ["qemu", `OS_TOKEN=$(openstack token issue -f value -c id)\nqemu-system-x86_64 -m 2048 -snapshot -drive "if=virtio,format=raw,\\\nfile=https://token:$OS_TOKEN@${host}/v2/images/${id}/disk"`],
    ["file", `stillage download ${id} -o ${fileOf(image)}`],
  ];
}
