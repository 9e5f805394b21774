// Administration: the audit, in pages. Filters and page are in the address; what they find can be saved.

import { html, useEffect, useRef } from "../vendor/htm-preact-standalone.module.js";
import { addressOf, getJson } from "../core/api.js";
import { curl } from "../core/commands.js";
import { t } from "../core/i18n.js";
import { changeQuery, place } from "../core/router.js";
import { useStore } from "../core/store.js";
import { AsCommand } from "../ui/as_command.js";
import { Icon } from "../ui/icons.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { markerIn, Paging } from "../ui/paging.js";
import { Problem } from "../ui/problem.js";
import { AuditTable } from "./audit_table.js";

const PAGE_SIZE = 50;
const IDS = /** @type {const} */ (["user", "target"]);
const DAYS = /** @type {const} */ (["since", "until"]);
const FIELDS = [...IDS, "action", ...DAYS];
/** What is offered; the API finds `create/tag` for `create` as well. */
const ACTIONS = ["create", "create/member", "update", "update/file", "update/password", "update/quota", "delete", "authenticate", "allow", "deny", "disable", "enable", "restore", "revoke"];

/** @param {string} day As a date field has it. @param {number} later In days. @returns {string | null} When it begins here. */
function beginOf(day, later) {
  const time = new Date(`${day}T00:00`);
  time.setDate(time.getDate() + later);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

/** The filter of the API that the address asks for. @param {URLSearchParams} address @returns {URLSearchParams} */
function wantedEvents(address) {
  const query = new URLSearchParams();
  for (const name of FIELDS) {
    const given = address.get(name) ?? "";
    const value = name === "since" ? beginOf(given, 0) : name === "until" ? beginOf(given, 1) : given;
    if (value) query.set(name, value);
  }
  return query;
}

export function AuditTab() {
  const { query: address } = useStore(place);
  const filter = wantedEvents(address);
  const marker = address.get("marker");
  const page = `/v2/audit?${new URLSearchParams([...filter, ["limit", String(PAGE_SIZE)], ...(marker ? [["marker", marker]] : [])])}`;
  const { data, error, again } = useLoaded((signal) => getJson(page, { signal }), [page]);
  const all = addressOf(`/v2/audit?${new URLSearchParams([...filter, ["format", "jsonl"]])}`);
  return html`<section class="stack">
    <div class="page-head"><p class="lead">${t("audit.lead")}</p>
      <${AsCommand} commands=${() => ({ curl: curl("GET", page) })} />
      <button type="button" onClick=${again}>${t("refresh")}</button>
      <a class="button" href=${all} download="audit.jsonl"><${Icon} name="download" />audit.jsonl</a></div>
    <${Filters} address=${address} />
    ${error && html`<${Problem} error=${error} retry=${again} />`}
    ${!data && !error && html`<${Skeleton} lines=${5} />`}
    ${data && html`<${AuditTable} events=${data.events} narrow=${(/** @type {string} */ name, /** @type {string} */ id) => changeQuery({ [name]: id, marker: null })} />
      <${Paging} marker=${markerIn(data.next)} />`}
  </section>`;
}

/** @param {{address: URLSearchParams}} props */
function Filters({ address }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const given = FIELDS.map((name) => address.get(name) ?? "");
  // Not by attributes: those would undo what somebody types when the list is drawn again.
  useEffect(() => FIELDS.forEach((name, index) => {
    const field = form.current?.elements.namedItem(name);
    if (field instanceof HTMLInputElement) field.value = given[index] ?? "";
  }), given);
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    const values = new FormData(event.target);
    changeQuery({ ...Object.fromEntries(FIELDS.map((name) => [name, String(values.get(name) ?? "").trim()])), marker: null });
  };
  const clear = () => changeQuery(Object.fromEntries([...FIELDS, "marker"].map((name) => [name, null])));
  return html`<form class="filters" ref=${form} onSubmit=${submit}>
    ${IDS.map((name) => html`<input key=${name} name=${name} maxlength="255" aria-label=${t(`audit.${name}.id`)} placeholder=${t(`audit.${name}.id`)} />`)}
    <input name="action" size="12" list="audit-actions" maxlength="64" autocomplete="off" aria-label=${t("audit.what")} placeholder=${t("audit.what")} />
    <datalist id="audit-actions">${ACTIONS.map((action) => html`<option key=${action} value=${action}></option>`)}</datalist>
    ${DAYS.map((name) => html`<label key=${name} class="day">${t(`audit.${name}`)}<input name=${name} type="date" /></label>`)}
    <button>${t("audit.filter")}</button>
    ${given.some(Boolean) && html`<button type="button" class="quiet" onClick=${clear}>${t("audit.clear")}</button>`}
  </form>`;
}
