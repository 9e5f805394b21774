// What a disk is divided into, as a table: GPT or MBR, and the file systems that the first bytes show.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { number, size, t } from "../core/i18n.js";
import { partOf, percentage, withGaps } from "./geometry.js";

/**
 * @typedef {{number: number, first: number, length: number, type: string, name: string, file_system: string | null, label: string}} Partition
 * @typedef {{size: number, table: string | null, file_system: string | null, label: string, partitions: Partition[]}} Layout
 */

/**
 * Types that are worth a name. Sources: UEFI Specification, "GPT Partition Entry Array"; the Discoverable Partitions
 * Specification; the MBR types that Linux uses.
 * @type {Record<string, string>}
 */
const KINDS = {
  "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
  "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
  "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux data",
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
  "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM64)",
  "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux boot",
  "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
  "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
  "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Windows data",
  "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
  "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
  "83": "Linux", "82": "Linux swap", "8e": "Linux LVM", "ef": "EFI system", "ee": "GPT", "05": "extended", "0f": "extended",
  "07": "NTFS or exFAT", "0b": "FAT32", "0c": "FAT32",
};

/** @param {Partition} partition */
export function kindOf({ type }) {
  return KINDS[type.toLowerCase()] ?? type;
}

/** @param {{layout: Layout}} props */
export function Partitions({ layout }) {
  const { partitions, table, file_system: whole, label } = layout;
  if (!partitions.length) {
    return html`<p>${whole ? t("disk.whole", { what: whole }) : t("disk.no_table")} ${label && html`<bdi class="mono">${label}</bdi>`}</p>`;
  }
  return html`<figure class="picture">
    <figcaption>${t(`disk.table.${table}`)} <span class="soft">${t("disk.partitions", { count: partitions.length })}</span></figcaption>
    <${PartitionBar} layout=${layout} />
    <div class="table" tabindex="0" role="region" aria-label=${t("disk.partitions.label")}><table>
      <thead><tr>
        <th class="num" scope="col">#</th><th scope="col">${t("disk.part.name")}</th><th scope="col">${t("disk.part.type")}</th>
        <th scope="col">${t("disk.part.content")}</th><th class="num" scope="col">${t("disk.part.first")}</th><th class="num" scope="col">${t("disk.part.size")}</th>
      </tr></thead>
      <tbody>${partitions.map((partition) => html`<tr key=${partition.number}>
        <td class="num">${partition.number}</td>
        <td><bdi>${partition.name || "–"}</bdi></td>
        <td title=${partition.type}>${kindOf(partition)}</td>
        <td>${partition.file_system ?? "–"} ${partition.label && html`<bdi class="mono">${partition.label}</bdi>`}</td>
        <td class="num">${number(partition.first)}</td>
        <td class="num">${size(partition.length)}${partition.first + partition.length > layout.size ? ` · ${t("disk.part.beyond")}` : ""}</td>
      </tr>`)}</tbody>
    </table></div>
  </figure>`;
}

/** @param {{layout: Layout}} props */
export function PartitionBar({ layout }) {
  return html`<svg class="partition-bar" aria-hidden="true">
    ${withGaps(layout.partitions, layout.size).map(({ span, partition }) => {
      const { at, width } = partOf(span, layout.size);
      return html`<svg key=${span.first} x=${percentage(at)} width=${percentage(width)} height="100%">
        <rect class=${partition ? `part-${(partition.number - 1) % 6}` : "no-part"} width="100%" height="100%"></rect>
        ${partition && width > 6 && html`<text x="8" y="50%" dominant-baseline="central">${partition.number} ${partition.file_system ?? kindOf(partition)}</text>`}
      </svg>`;
    })}
  </svg>`;
}
