// The command that makes an acceptable image of a refused file, with the names of this very file. Pure.

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
