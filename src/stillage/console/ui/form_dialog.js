// A dialog with a form: fields, what went wrong, and two buttons.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { Dialog } from "./dialog.js";
import { Problem } from "./problem.js";

/** @param {{title: string, action: string, act: (form: FormData) => Promise<unknown>, onClose: () => void, children?: any}} props */
export function FormDialog({ title, action, act, onClose, children }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await act(new FormData(event.target));
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}><form onSubmit=${submit}>
    ${children}
    ${error && html`<${Problem} error=${error} />`}
    <div class="buttons">
      <button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button>
      <button class="primary" disabled=${busy}>${action}</button>
    </div>
  </form><//>`;
}
