// A button that copies a text and says so.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { announce } from "../core/announce.js";
import { t } from "../core/i18n.js";
import { Icon } from "./icons.js";

const SAID_MS = 2000;

/** @param {{text: string, label?: string}} props  label: what is copied, for a screen reader. */
export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    announce(t("copied"));
    setTimeout(() => setDone(false), SAID_MS);
  };
  const name = done ? t("copied") : label ? t("copy.what", { what: label }) : t("copy");
  return html`<button type="button" class="icon-button" aria-label=${name} title=${name} onClick=${copy}>
    <${Icon} name=${done ? "check" : "copy"} />
  </button>`;
}
