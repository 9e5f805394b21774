// Commands that do what the dock does, to be copied: how to fix a file, how to make the image without this page. Pure.

/** @param {string} word @returns {string} As one word for a shell. */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'"'"'`)}'`;
}

/**
 * The command that makes an acceptable image of this very file.
 *
 * @param {string} fix As the server says it, with IN, OUT and FORMAT.
 * @param {string} fileName
 * @param {string | null} format What the file was found to be.
 */
export function fixFor(fix, fileName, format) {
  /** @type {Record<string, string>} */
  const words = { IN: quoted(fileName), OUT: quoted(fixedName(fileName, fix)), FORMAT: format ?? "FORMAT" };
  return fix.replace(/\b(IN|OUT|FORMAT)\b/g, (word) => words[word] ?? word);
}

/** @param {string} fileName @param {string} fix */
function fixedName(fileName, fix) {
  const written = /-O (\w+)/.exec(fix)?.[1];
  const unpacked = /\.(gz|bz2|xz|zst|lz4|lz|lzo)$/i.exec(fileName);
  if (!written && unpacked) return fileName.slice(0, unpacked.index);
  const stem = fileName.replace(/\.[^.]+$/, "");
  const suffix = written ?? (/\.([^.]+)$/.exec(fileName)?.[1] || "img");
  return `${stem}.fixed.${suffix}`;
}

/**
 * @typedef {object} NewImage What the form says.
 * @property {string} name
 * @property {string} disk_format
 * @property {string} visibility
 * @property {Record<string, string>} properties
 * @property {number | null} [min_disk] GiB.
 * @property {number | null} [min_ram] MiB.
 */

/** @param {NewImage} image @param {string} fileName @returns {Record<string, string>} By the name of the client. */
export function commandsFor(image, fileName) {
  const file = quoted(fileName);
  const properties = Object.entries(image.properties);
  const stillage = [
    `stillage upload ${file}`, `--name ${quoted(image.name)}`, `--disk-format ${image.disk_format}`,
    `--visibility ${image.visibility}`, ...properties.map(([name, value]) => `--property ${quoted(`${name}=${value}`)}`),
  ];
  const openstack = [
    `openstack image create ${quoted(image.name)}`, `--file ${file}`, `--disk-format ${image.disk_format}`,
    "--container-format bare", `--${image.visibility}`, ...properties.map(([name, value]) => `--property ${quoted(`${name}=${value}`)}`),
  ];
  return { stillage: stillage.join(" \\\n    "), openstack: openstack.join(" \\\n    ") };
}
