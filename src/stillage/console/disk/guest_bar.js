// The disk as the guest sees it: how much of each part holds data.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { percent, size, t } from "../core/i18n.js";
import { percentage, runsOf, shadeOf } from "./geometry.js";

/**
 * @typedef {{size: number, data: number, cells: number[]}} DataMap
 * @param {{map: DataMap}} props
 */
export function GuestBar({ map }) {
  const runs = runsOf(map.cells.map(shadeOf));
  const { length } = map.cells;
  return html`<figure class="picture">
    <figcaption>${t("disk.guest")} <span class="soft num">${t("disk.guest.data", { data: size(map.data), size: size(map.size), percent: percent(map.size ? map.data / map.size : 0) })}</span></figcaption>
    <svg class="guest-bar" role="img" aria-label=${t("disk.guest.label", { percent: percent(map.size ? map.data / map.size : 0) })}>
      <rect class="shade-0" width="100%" height="100%"></rect>
      ${runs.map(({ kind, first, end }) => kind > 0 && html`<rect key=${first} class=${`shade-${kind}`} x=${percentage((first / length) * 100)} width=${percentage(((end - first) / length) * 100)} height="100%"></rect>`)}
    </svg>
    <${Scale} bytes=${map.size} />
    <p class="legend note">${[0, 1, 2, 3, 4].map((shade) => html`<span key=${shade}><svg class="swatch" aria-hidden="true"><rect class=${`shade-${shade}`} width="100%" height="100%"></rect></svg>${t(`disk.shade.${shade}`)}</span>`)}</p>
    <${MapTable} map=${map} />
  </figure>`;
}

/** @param {{map: DataMap}} props  The same in words, for who does not see the picture. */
function MapTable({ map }) {
  const cell = map.size / map.cells.length;
  const runs = runsOf(map.cells.map(shadeOf));
  return html`<details><summary>${t("disk.as_table")}</summary><div class="table" tabindex="0" role="region" aria-label=${t("disk.guest")}><table>
    <thead><tr><th class="num" scope="col">${t("disk.from")}</th><th class="num" scope="col">${t("disk.to")}</th><th scope="col">${t("disk.holds")}</th></tr></thead>
    <tbody>${runs.map(({ kind, first, end }) => html`<tr key=${first}><td class="num">${size(first * cell)}</td><td class="num">${size(end * cell)}</td><td>${t(`disk.shade.${kind}`)}</td></tr>`)}</tbody>
  </table></div></details>`;
}

/** @param {{bytes: number}} props */
export function Scale({ bytes }) {
  return html`<p class="scale note num" aria-hidden="true">${[0, 0.25, 0.5, 0.75, 1].map((share) => html`<span key=${share}>${size(bytes * share)}</span>`)}</p>`;
}
