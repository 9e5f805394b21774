// What surrounds every page: navigation, who is signed in, notices, questions, and signing in again.

import { html, useEffect, useRef } from "../vendor/htm-preact-standalone.module.js";
import { dismiss, notices } from "../core/announce.js";
import { signInNeeded } from "../core/api.js";
import { t } from "../core/i18n.js";
import { Link, navigate, place } from "../core/router.js";
import { isAdmin, session, signOut } from "../core/session.js";
import { useStore } from "../core/store.js";
import { SignInForm } from "../pages/sign_in.js";
import { Dock } from "../upload/dock.js";
import { Choices } from "./choices.js";
import { asked, Dialog, QuestionDialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { KeyDialog } from "./key_list.js";

const ENTRIES = ["images", "jobs", "access", "admin", "help"];

/** @param {{children: any}} props */
export function Shell({ children }) {
  const { path } = useStore(place);
  return html`
    <a class="skip" href="#page" onClick=${skip}>${t("skip")}</a>
    <header class="side">
      <${Link} to="/images" class="brand">Stillage<//>
      <nav aria-label=${t("nav")}>
        <ul>
          ${ENTRIES.filter((entry) => entry !== "admin" || isAdmin()).map((entry) => Entry(entry, path))}
        </ul>
      </nav>
      <${Who} />
    </header>
    <main id="page" tabindex="-1"><${Focused} path=${path}>${children}<//></main>
    <${Dock} />
    <${Notices} />
    <${KeyDialog} />
    <${Asking} />
    <${SigningInAgain} />
  `;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById("page")?.focus();
}

/** @param {string} entry @param {string} path */
function Entry(entry, path) {
  const current = path.split("/")[1] === entry;
  return html`<li key=${entry}>
    <${Link} to=${`/${entry}`} current=${current}><${Icon} name=${entry} />${t(`nav.${entry}`)}<//>
  </li>`;
}

/** Moves the focus to the page when another one is shown, so that a screen reader begins there. */
function Focused(/** @type {{path: string, children: any}} */ { path, children }) {
  const shown = useRef(path);
  useEffect(() => {
    const before = shown.current.split("/").slice(0, 3).join("/");
    if (path.split("/").slice(0, 3).join("/") !== before) {
      document.getElementById("page")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    shown.current = path;
  }, [path]);
  return children;
}

function Who() {
  const known = useStore(session);
  const leave = async () => {
    await signOut();
    navigate("/sign-in");
  };
  return html`<div class="who">
    <p><bdi>${known?.user.name}</bdi><small><bdi>${known?.project.name}</bdi></small></p>
    <${Choices} />
    <button type="button" class="quiet" onClick=${leave}>${t("sign_out")}</button>
  </div>`;
}

function Notices() {
  const shown = useStore(notices);
  return html`<div class="notices">
    ${shown.map(
      (notice) => html`<div key=${notice.id} class=${`notice ${notice.kind}`}>
        <${Icon} name=${notice.kind === "done" ? "check" : "warning"} />
        <span>${notice.text}</span>
        <button type="button" class="icon-button" aria-label=${t("close")} onClick=${() => dismiss(notice.id)}><${Icon} name="close" /></button>
      </div>`,
    )}
  </div>`;
}

function Asking() {
  const question = useStore(asked);
  return question && html`<${QuestionDialog} question=${question} />`;
}

/** The session ended: whatever runs waits until the user has signed in again. */
function SigningInAgain() {
  const needed = useStore(signInNeeded);
  if (!needed) return null;
  return html`<${Dialog} title=${t("sign_in.again")} onClose=${() => {}} stays>
    <p>${t("sign_in.again.why")}</p>
    <${SignInForm} user=${session.get()?.user.name} project=${session.get()?.project.name} />
  <//>`;
}
