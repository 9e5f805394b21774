// The keys of the console, on the help page and in a dialog.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { KEYS, keysShown } from "../core/keys.js";
import { useStore } from "../core/store.js";
import { Dialog } from "./dialog.js";

export function KeyList() {
  return html`<dl class="facts keys">${KEYS.map(
    ([keys, text]) => html`<dt key=${keys}>${keys.split(" ").map((key) => html`<kbd key=${key}>${key}</kbd> `)}</dt><dd>${t(`key.${text}`)}</dd>`,
  )}</dl>`;
}

export function KeyDialog() {
  const shown = useStore(keysShown);
  const close = () => keysShown.set(false);
  return shown && html`<${Dialog} title=${t("help.keys")} onClose=${close}>
    <${KeyList} /><div class="buttons"><button type="button" class="primary" onClick=${close}>${t("close")}</button></div>
  <//>`;
}
