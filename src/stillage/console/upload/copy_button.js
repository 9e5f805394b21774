// A button that copies a text and says so.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { announce } from "../core/announce.js";
import { t } from "../core/i18n.js";
import { Icon } from "../ui/icons.js";

/** @param {{text: string}} props */
export function CopyButton({ text }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    announce(t("upload.copied"));
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<button type="button" class="quiet" onClick=${copy}><${Icon} name=${isCopied ? "check" : "copy"} />${t(isCopied ? "upload.copied" : "upload.copy")}</button>`;
}
