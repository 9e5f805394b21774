// A button that saves a text as a file.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { Icon } from "./icons.js";

/** @param {{name: string, text: () => string}} props */
export function SaveButton({ name, text }) {
  const save = () => {
    const address = URL.createObjectURL(new Blob([text()], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    URL.revokeObjectURL(address);
  };
  return html`<button type="button" onClick=${save}><${Icon} name="download" />${name}</button>`;
}
