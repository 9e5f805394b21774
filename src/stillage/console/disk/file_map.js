// The stored file as a bar: structure, data, compressed data, holes.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { percent, size, t } from "../core/i18n.js";
import { percentage } from "./geometry.js";
import { Scale } from "./guest_bar.js";

/** @typedef {"structure" | "data" | "compressed" | "holes"} Kind */
/** @typedef {{size: number, data: number[], compressed: number[], holes: number[]}} FileCells  Shares from 0 to 1. */

/** @type {readonly Kind[]} */
const KINDS = ["structure", "data", "compressed", "holes"];

/** @param {{file: FileCells}} props */
export function FileMap({ file }) {
  const shares = sharesOf(file);
  return html`<figure class="picture">
    <figcaption>${t("disk.file")} <span class="soft num">${size(file.size)}</span></figcaption>
    <svg class="file-map" role="img" aria-label=${labelOf(shares)}>
      <rect class="kind-structure" width="100%" height="28"></rect>
      <${Cells} file=${file} />
    </svg>
    <${Scale} bytes=${file.size} />
    <${Legend} shares=${shares} bytes=${file.size} />
  </figure>`;
}

/** @param {{file: FileCells}} props  Each cell a column, divided by what it holds. */
function Cells({ file }) {
  const { length } = file.data;
  const width = percentage(100 / length + 0.02); // no seams between columns
  return file.data.map((data, index) => {
    const column = /** @type {[Kind, number][]} */ ([["holes", file.holes[index] ?? 0], ["compressed", file.compressed[index] ?? 0], ["data", data]]);
    let top = 0;
    return column.map(([kind, share]) => {
      const height = share * 28;
      top += height;
      return share > 0 && html`<rect key=${`${index}${kind}`} class=${`kind-${kind}`} x=${percentage((index / length) * 100)} width=${width} y=${top - height} height=${height}></rect>`;
    });
  });
}

/** @param {FileCells} file @returns {Record<Kind, number>} */
function sharesOf({ data, compressed, holes }) {
  const mean = (/** @type {number[]} */ cells) => cells.reduce((sum, share) => sum + share, 0) / Math.max(1, cells.length);
  const found = { data: mean(data), compressed: mean(compressed), holes: mean(holes) };
  return { ...found, structure: Math.max(0, 1 - found.data - found.compressed - found.holes) };
}

/** @param {Record<Kind, number>} shares */
function labelOf(shares) {
  const { structure, data, compressed, holes } = shares;
  return t("disk.file.label", { structure: percent(structure), data: percent(data), packed: percent(compressed), holes: percent(holes) });
}

/** @param {{shares: Record<Kind, number>, bytes: number}} props  It is the table behind the picture as well. */
function Legend({ shares, bytes }) {
  return html`<dl class="legend note">${KINDS.map((kind) => html`<div key=${kind}>
    <dt><svg class="swatch" aria-hidden="true"><rect class=${`kind-${kind}`} width="100%" height="100%"></rect></svg>${t(`disk.kind.${kind}`)}</dt>
    <dd class="num">${size(Math.round(shares[kind] * bytes))}</dd></div>`)}</dl>`;
}
