// What the form for new images does, as commands: curl, openstack, stillage, Terraform. Pure.

import { quoted } from "./fixes.js";

/**
 * @typedef {object} NewImage What the form says.
 * @property {string} name
 * @property {string} disk_format
 * @property {string} visibility
 * @property {Record<string, string>} properties
 * @property {number | null} [min_disk] GiB.
 * @property {number | null} [min_ram] MiB.
 */

/** The record, as the API takes it. @param {NewImage} image @returns {Record<string, unknown>} */
export function recordOf({ name, disk_format, visibility, properties, min_disk, min_ram }) {
  const sizes = { ...(min_disk ? { min_disk } : {}), ...(min_ram ? { min_ram } : {}) };
  return { ...properties, name, disk_format, container_format: "bare", visibility, ...sizes };
}

/**
 * @param {NewImage} image
 * @param {string} fileName
 * @param {string} server Its address.
 * @param {string} program curl with the options that it needs for this server.
 * @returns {import("../core/commands.js").Commands}
 */
export function newImageCommands(image, fileName, server, program = "curl -sS") {
  const file = quoted(fileName);
  const rest = [
    ...(image.min_disk ? [`--min-disk ${image.min_disk}`] : []), ...(image.min_ram ? [`--min-ram ${image.min_ram}`] : []),
    ...Object.entries(image.properties).map(([name, value]) => `--property ${quoted(`${name}=${value}`)}`),
  ];
  const common = [`--disk-format ${image.disk_format}`, ...rest];
  return {
    stillage: joined([`stillage upload ${file}`, `--name ${quoted(image.name)}`, `--visibility ${image.visibility}`, ...common]),
    openstack: joined([`openstack image create ${quoted(image.name)}`, `--file ${file}`, "--container-format bare", `--${image.visibility}`, ...common]),
    curl: curlOf(image, file, server, program),
    terraform: terraformOf(image, fileName),
  };
}

/** @param {NewImage} image @param {string} file @param {string} server @param {string} program */
function curlOf(image, file, server, program) {
  const token = '-H "X-Auth-Token: $OS_TOKEN"';
  const create = joined([
    `ID=$(${program} ${quoted(`${server}/v2/images`)}`, token, '-H "Content-Type: application/json"',
    `-d ${quoted(JSON.stringify(recordOf(image)))} | sed 's/.*"id": *"\\([^"]*\\)".*/\\1/')`,
  ]);
  const send = joined([`${program} -X PUT "${server}/v2/images/$ID/file"`, token, '-H "Content-Type: application/octet-stream"', `-T ${file}`]);
  return `${create}\n${send}`;
}

/** @param {NewImage} image @param {string} fileName */
function terraformOf(image, fileName) {
  const properties = Object.entries(image.properties).map(([name, value]) => `    ${text(name)} = ${text(value)}`);
  return [
    'resource "openstack_images_image_v2" "image" {', `  name             = ${text(image.name)}`, `  local_file_path  = ${text(fileName)}`,
    `  disk_format      = ${text(image.disk_format)}`, '  container_format = "bare"', `  visibility       = ${text(image.visibility)}`,
    ...(image.min_disk ? [`  min_disk_gb      = ${image.min_disk}`] : []), ...(image.min_ram ? [`  min_ram_mb       = ${image.min_ram}`] : []),
    ...(properties.length ? ["  properties = {", ...properties, "  }"] : []), "}",
  ].join("\n");
}

/** A string of Terraform's language, in which nothing is expanded. @param {string} value */
function text(value) {
  return JSON.stringify(value).replaceAll("${", () => "$${").replaceAll("%{", "%%{");
}

/** @param {string[]} words */
function joined(words) {
  return words.join(" \\\n  ");
}
