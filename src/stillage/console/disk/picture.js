// The picture of a disk image: the file, the disk in it, its partitions, and the facts of its format.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { number, size, t } from "../core/i18n.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";
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
  return html`<div class="loose disk-picture">
    <${FileMap} map=${map.data} verdict=${verdict.data} />
    <${Part} loaded=${map}>${map.data && html`<${GuestBar} map=${map.data} />`}<//>
    <${Part} loaded=${layout}>${layout.data && html`<${Partitions} layout=${layout.data} />`}<//>
    ${verdict.data && html`<${Facts} verdict=${verdict.data} />`}
  </div>`;
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

/** @param {{verdict: any}} props */
function Facts({ verdict }) {
  const { format, subformat, virtual_size: virtual, size: bytes, details = {} } = verdict;
  /** @type {[string, string | null][]} */
  const shown = [
    [t("disk.fact.format"), [format, subformat].filter(Boolean).join(", ") || null],
    [t("disk.fact.virtual_size"), virtual ? `${size(virtual)} (${number(virtual)} B)` : null],
    [t("disk.fact.size"), bytes ? `${size(bytes)} (${number(bytes)} B)` : null],
    ...Object.entries(details).map(([name, value]) => /** @type {[string, string]} */ ([name.replaceAll("_", " "), String(value)])),
  ];
  return html`<section><h2>${t("disk.facts")}</h2>
    <dl class="facts">${shown.map(([name, value]) => value && html`<dt key=${name}>${name}</dt><dd><bdi class="num">${value}</bdi></dd>`)}</dl>
  </section>`;
}
