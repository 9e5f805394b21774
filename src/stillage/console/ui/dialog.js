// Dialogs: the browser's own element, which keeps the focus inside and gives it back.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { store } from "../core/store.js";
import { Problem } from "./problem.js";
import { useSubmit } from "./submit.js";

let dialogs = 0;

/**
 * @param {{title: string, onClose: () => void, wide?: boolean, stays?: boolean, children?: any}} props
 *   stays: Escape does not close it.
 */
export function Dialog({ title, onClose, wide, stays, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [id] = useState(() => `dialog-title-${(dialogs += 1)}`); // one may ask above another
  useEffect(() => {
    const dialog = element.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!stays) onClose();
  };
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id} onCancel=${cancel}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
}

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text What happens, and whether it can be undone.
 * @property {string} action What the button says.
 * @property {boolean} [dangerous]
 * @property {string} [typed] What must be typed before the button works.
 * @property {() => Promise<unknown>} act
 */

/** @type {import("../core/store.js").Store<Question | null>} */
export const asked = store(/** @type {Question | null} */ (null));

/** Ask before something is done that cannot be undone. @param {Question} question */
export function ask(question) {
  asked.set(question);
}

/** @param {{question: Question}} props */
export function QuestionDialog({ question }) {
  const [typed, setTyped] = useState("");
  const close = () => asked.set(null);
  const { busy, error, submit } = useSubmit(() => question.act().then(close));
  const ready = !question.typed || typed === question.typed;
  return html`<${Dialog} title=${question.title} onClose=${close}>
    <form method="dialog" onSubmit=${submit}>
      <p>${question.text}</p>
      ${question.typed &&
      html`<label class="field">
        <span>${t("ask.type")} <bdi class="mono">${question.typed}</bdi></span>
        <input value=${typed} autocomplete="off" spellcheck=${false} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />
      </label>`}
      ${error && html`<${Problem} error=${error} />`}
      <div class="buttons">
        <button type="button" class="quiet" onClick=${close}>${t("cancel")}</button>
        <button class=${question.dangerous ? "danger" : "primary"} disabled=${!ready} aria-disabled=${busy}>${question.action}</button>
      </div>
    </form>
  <//>`;
}
