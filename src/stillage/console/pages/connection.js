// Page: check my connection. What a proxy on the way would do to uploads and downloads, and how to fix it.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { announce } from "../core/announce.js";
import { CURL, shellWord } from "../core/commands.js";
import { config, serverUrl } from "../core/config.js";
import { plural, t } from "../core/i18n.js";
import { AsCommand, Snippet } from "../ui/as_command.js";
import { Badge } from "../ui/badge.js";
import { CHECKS } from "./connection_checks.js";

/** @typedef {import("./connection_checks.js").Finding} Finding */

export function ConnectionPage() {
  return html`<div class="page-head"><h1>${t("connection.title")}</h1></div><${Connection} />`;
}

/** The checks and what they found; on the page of its own, and in the administration. */
export function Connection() {
  const [findings, setFindings] = useState(/** @type {Finding[]} */ ([]));
  const [done, setDone] = useState(-1);
  const run = async () => {
    /** @type {Finding[]} */
    let found = [];
    for (const [index, [check, perform]] of CHECKS.entries()) {
      setDone(index);
      found = [...found, ...(await perform().catch(() => [/** @type {Finding} */ ({ check, result: "problem", what: "broken" })]))];
      setFindings(found);
    }
    setDone(CHECKS.length);
    announce(plural("connection.problems", found.filter(({ result }) => result === "problem").length));
  };
  const runs = done >= 0 && done < CHECKS.length;
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("connection.lead")}</p><${AsCommand} commands=${connectionCommands} />
      <button type="button" class="primary" disabled=${runs} onClick=${run}>${t(done < 0 ? "connection.run" : "connection.again")}</button></div>
    ${runs && html`<p class="progress-cell" role="status"><progress max=${CHECKS.length} value=${done} aria-label=${t("connection.title")}></progress><span>${t("connection.progress", { done: done + 1, count: CHECKS.length })}</span></p>`}
    ${done === CHECKS.length && html`<p class="hint">${plural("connection.problems", findings.filter(({ result }) => result === "problem").length)}</p>`}
    ${findings.length > 0 && html`<${Findings} findings=${findings} />`}
    <p class="note">${t("connection.rest")}</p>
  </section>`;
}

/** @param {{findings: Finding[]}} props */
function Findings({ findings }) {
  return html`<div class="table" tabindex="0" role="group" aria-label=${t("connection.title")}><table>
    <caption class="visually-hidden">${t("connection.title")}</caption>
    <thead><tr><th scope="col">${t("connection.check")}</th><th scope="col">${t("connection.result")}</th><th scope="col">${t("connection.what")}</th></tr></thead>
    <tbody>${findings.map(({ check, result, what, values, nginx }) => html`<tr key=${check} data-check=${check}>
      <td>${t(`connection.${check}`)}</td><td><${Badge} status=${result} /></td>
      <td>${t(`connection.${check}.${what}`, values)}${result === "problem" && html`<small>${t(`connection.${check}.why`)}</small>`}
        ${nginx && html`<${Snippet} text=${`# nginx\n${nginx.join("\n")}`} />`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

/** @returns {import("../core/commands.js").Commands} */
function connectionCommands() {
  const server = shellWord(serverUrl);
  return {
    stillage: `stillage doctor ${server}${config.authority ? " --cacert ca.pem" : ""}`,
    curl: `${CURL} -o /dev/null -w '%{http_code} %{http_version} %{time_total} s\\n' ${server}/console/config`,
  };
}
