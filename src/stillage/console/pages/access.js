// Page: access. Application credentials, access keys, this session, and files by which other programs sign in.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { addressOf } from "../core/api.js";
import { curl, shellWord } from "../core/commands.js";
import { cloudsYaml, keyVariables, NO_CREDENTIAL, NO_KEY, openrc, terraformProvider } from "../core/cloud_files.js";
import { config } from "../core/config.js";
import { dateTime, t } from "../core/i18n.js";
import { navigate } from "../core/router.js";
import { session, signOut } from "../core/session.js";
import { AsCommand } from "../ui/as_command.js";
import { Icon } from "../ui/icons.js";
import { SaveButton } from "../ui/save.js";
import { AccessKeys } from "./access_keys.js";
import { Credentials } from "./credentials.js";
import { SignedIn } from "./signed_in.js";

export function AccessPage() {
  const known = session.get();
  if (!known) return null;
  const commands = () => ({
    curl: [`/identity/v3/users/${known.user.id}/application_credentials`, `/v3.0/OS-CREDENTIAL/credentials?user_id=${known.user.id}`, "/console/sessions"].map((path) => curl("GET", path)).join("\n\n"),
    openstack: "openstack application credential list\nopenstack application credential create ci",
    stillage: `stillage accesskey list ${shellWord(known.user.name)}\nstillage accesskey create ${shellWord(known.user.name)}`,
    terraform: terraformProvider(NO_CREDENTIAL),
  });
  return html`
    <div class="page-head"><h1>${t("nav.access")}</h1><${AsCommand} commands=${commands} /></div>
    <div class="loose">
      ${config.identity.kind === "embedded" && html`<${Credentials} user=${known.user.id} /><${AccessKeys} user=${known.user.id} />`}
      ${config.identity.kind === "keystone" && html`<p class="hint">${t("access.keystone")}</p>`}
      <${Files} />
      <${ThisSession} session=${known} />
      <${SignedIn} />
    </div>
  `;
}

function Files() {
  return html`<section class="stack"><h2>${t("access.files")}</h2><p class="note">${t("access.files.why")}</p>
    <div class="row">
      <${SaveButton} name="clouds.yaml" text=${() => cloudsYaml(NO_CREDENTIAL)} />
      <${SaveButton} name="openrc.sh" text=${() => openrc(NO_CREDENTIAL)} />
      <${SaveButton} name="aksk.sh" text=${() => keyVariables(NO_KEY)} />
      <${SaveButton} name="provider.tf" text=${() => terraformProvider(NO_CREDENTIAL)} />
      ${config.authority && html`<a class="button" href=${addressOf("/console/ca.pem")} download="ca.pem"><${Icon} name="download" />ca.pem</a>`}
    </div>
    ${config.authority && html`<p class="note">${t("access.authority")}</p>`}
  </section>`;
}

/** @param {{session: import("../core/session.js").Session}} props */
function ThisSession({ session: known }) {
  const leave = async () => {
    await signOut();
    navigate("/sign-in");
  };
  return html`<section class="stack"><h2>${t("access.session")}</h2>
    <dl class="facts">
      <dt>${t("sign_in.user")}</dt><dd><bdi>${known.user.name}</bdi> <code>${known.user.id}</code></dd>
      <dt>${t("sign_in.project")}</dt><dd><bdi>${known.project.name}</bdi> <code>${known.project.id}</code></dd>
      <dt>${t("access.roles")}</dt><dd>${known.roles.join(", ")}</dd>
      <dt>${t("access.ends")}</dt><dd>${t("access.ends.value", { idle: dateTime(known.idle_until), end: dateTime(known.expires_at) })}</dd>
    </dl>
    <div><button type="button" onClick=${leave}>${t("sign_out")}</button></div>
  </section>`;
}
