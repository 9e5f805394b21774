// What a project uses of its quota, as bars, and the form that changes the quota.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { number, percent, size, t } from "../core/i18n.js";
import { setQuota } from "../core/people.js";
import { FormDialog } from "../ui/form_dialog.js";

/** @typedef {import("../core/people.js").Quota} Quota */

const KINDS = /** @type {const} */ (["bytes", "images", "uploads", "jobs"]);
const GIB = 2 ** 30;
const NEARLY_FULL = 0.9;

/** @param {"bytes" | "images" | "uploads" | "jobs"} kind @param {number} value */
const shown = (kind, value) => (kind === "bytes" ? size(value) : number(value));

/** @param {{quota: Quota | undefined}} props */
export function QuotaBars({ quota }) {
  if (!quota) return "–";
  return html`<dl class="quota">${KINDS.slice(0, 2).map((kind) => {
    const used = quota.usage[kind];
    const limit = quota.limits[kind];
    const share = limit > 0 ? used / limit : 0;
    return html`<dt key=${kind}>${t(`quota.${kind}`)}</dt><dd>
      ${limit < 0 ? t("quota.of_none", { used: shown(kind, used) }) : html`
        <progress max="1" value=${share} class=${share > NEARLY_FULL ? "full" : ""} aria-label=${t(`quota.${kind}`)}></progress>
        <span class="num">${t("quota.of", { used: shown(kind, used), limit: shown(kind, limit), percent: percent(share) })}</span>`}
    </dd>`;
  })}</dl>`;
}

/** @param {{project: {id: string, name: string}, quota: Quota | undefined, again: () => void, onClose: () => void}} props */
export function QuotaForm({ project, quota, again, onClose }) {
  const act = async (/** @type {FormData} */ form) => {
    /** @type {Record<string, number | null>} */
    const limits = {};
    for (const kind of KINDS) {
      const given = String(form.get(kind) ?? "").trim();
      limits[kind] = given === "" ? null : kind === "bytes" && Number(given) > 0 ? Math.round(Number(given) * GIB) : Number(given);
    }
    await setQuota(project.id, limits);
    again();
  };
  const now = (/** @type {"bytes" | "images" | "uploads" | "jobs"} */ kind) => {
    if (!quota?.own.includes(kind)) return "";
    return kind === "bytes" && quota.limits.bytes > 0 ? quota.limits.bytes / GIB : quota.limits[kind];
  };
  return html`<${FormDialog} title=${t("quota.title", { name: project.name })} action=${t("save")} act=${act} onClose=${onClose}>
    <p class="note">${t("quota.why")}</p>
    ${KINDS.map((kind) => html`<label key=${kind} class="field"><span>${t(`quota.${kind}`)}${kind === "bytes" && html` <small>GiB</small>`}</span>
      <input name=${kind} type="number" min="-1" step=${kind === "bytes" ? "any" : "1"} defaultValue=${now(kind)} placeholder=${t("quota.default")} /></label>`)}
  <//>`;
}
