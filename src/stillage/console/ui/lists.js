// A table of rows that come from the server, with what stands there while they come, and when there are none.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { Skeleton } from "./loading.js";
import { Problem } from "./problem.js";

/**
 * @typedef {object} Column
 * @property {string} title The key of its text; empty for a column of buttons.
 * @property {(row: any) => any} cell
 * @property {boolean} [number]
 */

/** @param {{name: string, loaded: import("./loading.js").Loaded<any[]>, columns: Column[], keyOf: (row: any) => string, none: string}} props */
export function List({ name, loaded, columns, keyOf, none }) {
  const { data, error, again } = loaded;
  if (error) return html`<${Problem} error=${error} retry=${again} />`;
  if (!data) return html`<${Skeleton} lines=${4} />`;
  if (!data.length) return html`<div class="empty"><p>${none}</p></div>`;
  // What scrolls can be reached by the keyboard: by its buttons, or else itself.
  const reach = columns.every(({ title }) => title) ? { tabindex: 0, role: "group", "aria-label": name } : {};
  return html`<div class="table" ...${reach}><table>
    <caption class="visually-hidden">${name}</caption>
    <thead><tr>${columns.map(({ title, number }, index) => html`<th key=${index} scope="col" class=${number ? "num" : ""}>
      ${title ? t(title) : html`<span class="visually-hidden">${t("image.actions")}</span>`}</th>`)}</tr></thead>
    <tbody>${data.map((row) => html`<tr key=${keyOf(row)} data-row>${columns.map(({ cell, number }, index) => html`<td key=${index} class=${number ? "num" : ""}>${cell(row)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
