// A button that asks for one file. The input itself is there for keyboards and screen readers.

import { html, useRef } from "../vendor/htm-preact-standalone.module.js";

/** @param {{label: string, onFile: (file: File) => void, primary?: boolean}} props */
export function FileInput({ label, onFile, primary }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const chosen = () => {
    const file = input.current?.files?.[0];
    if (!file || !input.current) return;
    onFile(file);
    input.current.value = ""; // the same file may be chosen again
  };
  return html`<label class=${`button file-input ${primary ? "primary" : ""}`}>
    <input ref=${input} type="file" class="visually-hidden" onChange=${chosen} />${label}
  </label>`;
}
