// A dialog with a form: fields, what went wrong, and two buttons.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { Dialog } from "./dialog.js";
import { Problem } from "./problem.js";
import { useSubmit } from "./submit.js";

/** @param {{title: string, action: string, act: (form: FormData) => Promise<unknown>, onClose: () => void, children?: any}} props */
export function FormDialog({ title, action, act, onClose, children }) {
  const { busy, error, submit } = useSubmit((form) => act(form).then(onClose));
  return html`<${Dialog} title=${title} onClose=${onClose}><form onSubmit=${submit}>
    ${children}
    ${error && html`<${Problem} error=${error} />`}
    <div class="buttons">
      <button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button>
      <button class="primary" aria-disabled=${busy}>${action}</button>
    </div>
  </form><//>`;
}
