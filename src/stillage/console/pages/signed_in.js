// Where one is signed in: this browser, others, and programs with their tokens; each can be signed out.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { getJson, request } from "../core/api.js";
import { age, dateTime, plural, t } from "../core/i18n.js";
import { Badge } from "../ui/badge.js";
import { ask } from "../ui/dialog.js";
import { List } from "../ui/lists.js";
import { useLoaded } from "../ui/loading.js";

const PATH = "/console/sessions";

/** @typedef {{id: string, kind: string, project_name: string | null, credential: string | null, begun_at: string, used_at: string | null, expires_at: string, idle_until: string | null, address: string | null, is_current: boolean}} Place */

export function SignedIn() {
  const places = useLoaded(async (signal) => (await getJson(PATH, { signal })).sessions, []);
  const end = (/** @type {Place} */ place) => ask({
    title: t("signed_in.end.title"),
    text: t(`signed_in.end.why.${isBrowser(place) ? "session" : "token"}`),
    action: t("signed_in.end"),
    dangerous: true,
    act: async () => {
      await request("DELETE", `${PATH}/${encodeURIComponent(place.id)}`);
      notify(t("signed_in.end.done"));
      places.again();
    },
  });
  const columns = [
    { title: "signed_in.what", cell: What },
    { title: "project", cell: (/** @type {Place} */ place) => html`<bdi>${place.project_name ?? "–"}</bdi>` },
    { title: "signed_in.begun", cell: (/** @type {Place} */ place) => html`<span title=${dateTime(place.begun_at)}>${age(place.begun_at)}</span>` },
    { title: "signed_in.used", cell: (/** @type {Place} */ place) => (place.used_at ? html`<span title=${dateTime(place.used_at)}>${age(place.used_at)}</span>` : "–") },
    { title: "signed_in.from", cell: (/** @type {Place} */ place) => html`<bdi class="mono">${place.address ?? "–"}</bdi>` },
    { title: "access.ends", cell: (/** @type {Place} */ place) => dateTime(place.idle_until ?? place.expires_at) },
    { title: "", cell: (/** @type {Place} */ place) => !place.is_current && html`<button type="button" class="small quiet" onClick=${() => end(place)}>${t("signed_in.end")}</button>` },
  ];
  const list = (/** @type {Place[] | null} */ data, /** @type {string} */ name) => html`<${List} name=${name} loaded=${{ ...places, data }} columns=${columns} keyOf=${(/** @type {Place} */ place) => place.id} none=${t("signed_in.none")} />`;
  const programs = places.data?.filter((/** @type {Place} */ place) => !isBrowser(place)) ?? [];
  return html`<section class="stack"><h2>${t("signed_in.title")}</h2><p class="note">${t("signed_in.why")}</p>
    ${list(places.data?.filter(isBrowser) ?? null, t("signed_in.title"))}
    ${programs.length > 0 && html`<details><summary>${plural("signed_in.programs", programs.length)}</summary>${list(programs, t("signed_in.tokens"))}</details>`}
  </section>`;
}

/** @param {Place} place */
function isBrowser({ kind }) {
  return kind === "session" || kind === "link";
}

/** @param {Place} place */
function What({ kind, credential, is_current: isCurrent }) {
  return html`${t(`signed_in.kind.${kind}`)}${isCurrent && html` <${Badge} status="current" />`}${credential && html`<small><bdi>${credential}</bdi></small>`}`;
}
