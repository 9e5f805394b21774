// The buttons below a list that lead to its other pages. Which page is shown is in the address, as `marker`.

import { html, useEffect, useRef } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { changeQuery, place } from "../core/router.js";
import { useStore } from "../core/store.js";

const PAGED = "paged";

/** The marker in the address of the next page that a list of the API gives. @param {string | null | undefined} next @returns {string | null} */
export function markerIn(next) {
  return next ? new URLSearchParams(next.split("?")[1]).get("marker") : null;
}

/** @param {{marker: string | null, note?: string}} props  marker: of the next page, if there is one. */
export function Paging({ marker, note }) {
  const { query } = useStore(place);
  const top = useRef(false);
  useEffect(() => {
    if (top.current) scrollTo(0, 0);
    top.current = true;
  }, [query.get("marker")]);
  if (!note && !marker && !query.has("marker")) return null;
  return html`<nav class="paging" aria-label=${t("paging")}>
    <span class="note">${note}</span>
    ${query.has("marker") && html`<button type="button" onClick=${() => changeQuery({ marker: null })}>${t("paging.first")}</button>`}
    ${history.state === PAGED && html`<button type="button" onClick=${() => history.back()}>${t("paging.previous")}</button>`}
    ${marker && html`<button type="button" onClick=${() => changeQuery({ marker }, { state: PAGED })}>${t("paging.next")}</button>`}
  </nav>`;
}
