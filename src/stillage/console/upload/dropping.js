// Files that are dropped on the page, in Chromium with handles by which they can be opened again after a reload.

/** @param {DragEvent} event */
export function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** @param {DragEvent} event @returns {Promise<import("./wanted.js").Chosen[]>} Folders are left out. */
export async function dropped(event) {
  // All must be asked for before the first wait: afterwards the browser has forgotten them.
  const items = [...(event.dataTransfer?.items ?? [])].filter((item) => item.kind === "file");
  const found = items.map((item) => ({ file: item.getAsFile(), handle: handleOf(item), isFolder: item.webkitGetAsEntry?.()?.isDirectory }));
  const chosen = [];
  for (const { file, handle, isFolder } of found) {
    if (file && !isFolder) chosen.push({ file, handle: await handle });
  }
  return chosen;
}

/** @param {DataTransferItem} item @returns {Promise<FileSystemFileHandle | null>} */
async function handleOf(item) {
  try {
    return (await /** @type {any} */ (item).getAsFileSystemHandle?.()) ?? null;
  } catch {
    return null;
  }
}
