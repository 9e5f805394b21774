// The way to the upload dock from any page: wantFiles(files) opens the form for new images, pickFiles() asks for files.

import { store } from "../core/store.js";

/** @typedef {{file: File, handle: FileSystemFileHandle | null}} Chosen */

/** Files for which the user wants images, until the form has taken them; null while there are none. */
export const wantedFiles = store(/** @type {Chosen[] | null} */ (null));

/** Open the form for new images. @param {Chosen[]} chosen */
export function wantFiles(chosen) {
  if (chosen.length) wantedFiles.set([...(wantedFiles.get() ?? []), ...chosen]);
}

/** The input is in no document, so something must hold it while the user looks for files. */
const picking = { input: /** @type {HTMLInputElement | null} */ (null) };

/** Let the user choose files, and open the form for them. */
export function pickFiles() {
  const input = document.createElement("input");
  picking.input = input;
  input.type = "file";
  input.multiple = true;
  input.onchange = () => wantFiles([...(input.files ?? [])].map((file) => ({ file, handle: null })));
  input.click();
}
