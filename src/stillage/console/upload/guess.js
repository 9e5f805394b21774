// Guess the format of an image from its first and last bytes, as a suggestion for the form. The server decides.
//
// Source: docs/formats.md names the specifications of the signatures.

/** @type {readonly (readonly [string, number, string])[]}  Format, offset, the bytes there as Latin-1. */
const SIGNATURES = [
  ["qcow2", 0, "QFI\xfb"],
  ["vhdx", 0, "vhdxfile"],
  ["vmdk", 0, "KDMV"],
  ["vmdk", 0, "COWD"],
  ["vmdk", 0, "# Disk DescriptorFile"],
  ["vhd", 0, "conectix"],
  ["qed", 0, "QED\0"],
  ["zvhd2", 0, "z2strm"],
  ["zvhd", 0, "stream"],
  ["vdi", 64, "\x7f\x10\xda\xbe"],
  ["iso", 32769, "CD001"],
  ["ploop", 0, "WithouFreSpacExt"],
];
export const HEAD_BYTES = 33 * 1024;
export const TAIL_BYTES = 512;

/**
 * @param {Uint8Array} head  The first bytes of the file.
 * @param {Uint8Array} tail  Its last 512.
 * @returns {string}         A `disk_format`.
 */
export function guessFormat(head, tail) {
  for (const [format, at, signature] of SIGNATURES) {
    if (!holds(head, at, signature)) continue;
    return format === "qcow2" && head[7] === 1 ? "qcow" : format;
  }
  return holds(tail, 0, "conectix") ? "vhd" : "raw";
}

/** @param {Uint8Array} bytes @param {number} at @param {string} signature */
function holds(bytes, at, signature) {
  return [...signature].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));
}

/** A name for the image of a file: without folders and known suffixes. @param {string} fileName */
export function guessName(fileName) {
  return fileName.replace(/\.(qcow2?|img|raw|vmdk|vhdx?|vdi|qed|iso|zvhd2?|bin|dsk)$/i, "") || fileName;
}
