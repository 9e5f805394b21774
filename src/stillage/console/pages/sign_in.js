// Page: sign in with user, password and project, or with the single-use link that `stillage serve` prints.

import { html, useEffect, useState } from "../vendor/htm-preact-standalone.module.js";
import { config } from "../core/config.js";
import { t } from "../core/i18n.js";
import { navigate, place } from "../core/router.js";
import { signIn } from "../core/session.js";
import { signInCommands } from "../core/sign_in_commands.js";
import { AsCommand } from "../ui/as_command.js";
import { Choices } from "../ui/choices.js";
import { Problem } from "../ui/problem.js";
import { useSubmit } from "../ui/submit.js";

export function SignInPage() {
  // In the fragment, which is not sent: so it is in no log, and is gone when the next page is shown.
  const link = new URLSearchParams(location.hash.slice(1)).get("link");
  return html`<main class="sign-in" id="page" tabindex="-1">
    <h1 class="brand">Stillage</h1>
    <p class="lead">${t("sign_in.lead")}</p>
    ${link ? html`<${ByLink} link=${link} />` : html`<${SignInForm} onDone=${goOn} />`}
    <footer><${Choices} /><${AsCommand} commands=${() => signInCommands(typed())} /><small>Stillage ${config.version}</small></footer>
  </main>`;
}

/** What stands in the form. */
function typed() {
  const value = (/** @type {string} */ name) => /** @type {HTMLInputElement | null} */ (document.querySelector(`form [name=${name}]`))?.value.trim() ?? "";
  return { user: value("user"), project: value("project") };
}

/** Show the page that was asked for before signing in. */
function goOn() {
  const wanted = place.get().query.get("to");
  navigate(wanted?.startsWith("/") ? wanted : "/images", { replace: true });
}

/** @param {{link: string}} props */
function ByLink({ link }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  useEffect(() => {
    signIn({ link }).then(goOn, setError);
  }, [link]);
  if (!error) return html`<p role="status">${t("sign_in.by_link")}</p>`;
  return html`<${Problem} error=${error} /><${SignInForm} onDone=${goOn} />`;
}

/** @param {{user?: string | undefined, project?: string | undefined, onDone?: () => void}} props */
export function SignInForm({ user, project, onDone }) {
  const { busy, error, submit } = useSubmit(async (form) => {
    await signIn(Object.fromEntries([...form].filter(([, value]) => value).map(([name, value]) => [name, String(value)])));
    onDone?.();
  });
  return html`<form class="stack" onSubmit=${submit}>
    <label class="field"><span>${t("sign_in.user")}</span><input name="user" autocomplete="username" required defaultValue=${user ?? ""} autofocus /></label>
    <label class="field"><span>${t("sign_in.password")}</span><input name="password" type="password" autocomplete="current-password" required /></label>
    <label class="field">
      <span>${t("sign_in.project")} <small>${t("sign_in.project.note")}</small></span>
      <input name="project" defaultValue=${project ?? ""} />
    </label>
    ${config.identity.kind === "keystone" && html`<label class="field">
      <span>${t("sign_in.domain")} <small>${t("sign_in.domain.note")}</small></span><input name="domain" autocomplete="off" />
    </label>`}
    ${error && html`<${Problem} error=${error} />`}
    <button class="primary" aria-disabled=${busy}>${t(busy ? "sign_in.busy" : "sign_in.action")}</button>
    ${config.identity.kind === "keystone" && html`<p class="note">${t("sign_in.keystone")}</p>`}
  </form>`;
}
