// Files that are dropped on the page, in Chromium with handles by which they can be opened again after a reload.

/** @param {DragEvent} event */
export function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** @param {DragEvent} event @returns {Promise<{files: import("./wanted.js").Chosen[], folders: string[]}>} Folders by name. */
export async function dropped(event) {
  // All must be asked for before the first wait: afterwards the browser has forgotten them.
  const items = [...(event.dataTransfer?.items ?? [])].filter((item) => item.kind === "file");
  const found = items.map((item) => ({ file: item.getAsFile(), handle: handleOf(item), folder: folderOf(item) }));
  const files = [];
  for (const { file, handle, folder } of found) {
    if (file && folder === null) files.push({ file, handle: await handle });
  }
  return { files, folders: found.flatMap(({ folder }) => folder ?? []) };
}

/** @param {DataTransferItem} item @returns {string | null} The name of a folder; null for a file. */
function folderOf(item) {
  const entry = item.webkitGetAsEntry?.();
  return entry?.isDirectory ? entry.name : null;
}

/** @param {DataTransferItem} item @returns {Promise<FileSystemFileHandle | null>} */
async function handleOf(item) {
  try {
    return (await /** @type {any} */ (item).getAsFileSystemHandle?.()) ?? null;
  } catch {
    return null;
  }
}
