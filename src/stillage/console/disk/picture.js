// The picture of a disk image: the file, the disk in it, its partitions, and the facts of its format.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { number, size, t } from "../core/i18n.js";
import { Snippet } from "../ui/as_command.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
import { FileBar } from "./file_bar.js";
import { FileMap } from "./file_map.js";
import { GuestBar } from "./guest_bar.js";
import { Partitions } from "./partitions.js";

const CELLS = 512;

/** @param {{id: string}} props  Of the image. */
export function DiskPicture({ id }) {
  const path = `/v2/images/${id}`;
  const verdict = useLoaded((signal) => getJson(`${path}/verdict`, { signal }), [id]);
  const map = useLoaded((signal) => getJson(`${path}/map?cells=${CELLS}`, { signal }), [id]);
  const layout = useLoaded((signal) => getJson(`${path}/layout`, { signal }), [id]);
  if (verdict.data?.accepted === false) return html`<${Refused} verdict=${verdict.data} />`;
  return html`<div class="loose disk-picture">
    <${Part} loaded=${map}>${map.data && html`<${FileMap} file=${map.data.file} /><${GuestBar} map=${map.data} />`}<//>
    ${!map.error && html`<${Part} loaded=${layout}>${layout.data && html`<${Partitions} layout=${layout.data} />`}<//>`}
    ${verdict.data?.format && html`<${Facts} facts=${verdict.data} />`}
  </div>`;
}

/** What is known of bytes that were refused, and are not kept. @param {{verdict: any}} props */
function Refused({ verdict: { message, rule, offset, found, fix, size: bytes } }) {
  return html`<section class="stack refused-disk">
    <h2>${t("disk.refused")}</h2>
    <p>${message}</p>
    ${bytes && offset !== null && html`<${FileBar} size=${bytes} received=${[]} pin=${offset} />`}
    <p class="note">${[found, offset === null ? rule : t("disk.refused_at", { rule, byte: number(offset) })].filter(Boolean).join(" · ")}</p>
    ${fix && html`<${Snippet} text=${fix} />`}
  </section>`;
}

/** @param {{loaded: import("../ui/loading.js").Loaded<any>, children?: any}} props */
function Part({ loaded, children }) {
  if (loaded.error) {
    const { status, message } = /** @type {any} */ (loaded.error);
    if (status === 409 || status === 404) return html`<p class="note">${message}</p>`;
    return html`<${Problem} error=${loaded.error} retry=${loaded.again} />`;
  }
  return loaded.data ? children : html`<${Skeleton} lines=${2} />`;
}

/** @param {{facts: any}} props */
function Facts({ facts: { format, subformat, virtual_size: virtual, size: bytes, details } }) {
  /** @type {[string, string | null][]} */
  const shown = [
    [t("disk.fact.format"), [format, subformat].filter(Boolean).join(", ") || null],
    [t("disk.fact.virtual_size"), virtual === null ? null : exactly(virtual)],
    [t("disk.fact.size"), bytes === null ? null : exactly(bytes)],
    ...Object.entries(details).map(([name, value]) => /** @type {[string, string]} */ ([name.replaceAll("_", " "), String(value)])),
  ];
  return html`<section class="stack"><h2>${t("disk.facts")}</h2>
    <dl class="facts">${shown.map(([name, value]) => value && html`<dt key=${name}>${name}</dt><dd><bdi>${value}</bdi></dd>`)}</dl>
  </section>`;
}

/** @param {number} bytes */
function exactly(bytes) {
  return t("disk.exactly", { size: size(bytes), bytes: number(bytes) });
}
