// One upload in the dock: what it is doing, in exact figures, and what the user can do about it.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { duration, number, percent, size, t } from "../core/i18n.js";
import { Link } from "../core/router.js";
import { Icon } from "../ui/icons.js";
import { ask } from "../ui/dialog.js";
import { FileBar } from "../disk/file_bar.js";
import { hasEnded } from "./phases.js";
import { FileInput } from "./file_input.js";
import { Refusal } from "./refusal.js";
import { resumeByHandle, resumeWith } from "./resuming.js";
import { abandon, dismissRow, hasFile, replaceFile, speedOf, steer, tryAgain } from "./uploads.js";

/** @typedef {import("./uploads.js").Row} Row */
/** @typedef {import("./engine.js").Upload} Upload */

/** @param {{row: Row}} props */
export function UploadRow({ row }) {
  const state = stateOf(row);
  const { upload } = row;
  return html`<li class=${`upload ${state}`} data-state=${state} data-image=${row.id} data-sent=${row.sent}>
    <div class="upload-head">
      <span class=${`badge ${BADGES[state] ?? ""}`}>
        <${Link} to=${`/images/${row.id}`} class="name"><bdi>${row.imageName || row.id}</bdi><//>
      </span>
      <${Actions} row=${row} state=${state} />
    </div>
    ${BARS.has(state) && html`<${Progress} row=${row} state=${state} />`}
    <p class="upload-says"><${Says} row=${row} state=${state} /></p>
    ${upload?.limit && state !== "active" && html`<p class="note">${t("upload.limit", { size: size(upload.limit) })}</p>`}
    ${state === "refused" && upload?.problem && html`<${Refusal} row=${row} problem=${upload.problem} />`}
    ${state === "refused" && html`<${FileInput} label=${t("upload.other")} onFile=${(/** @type {File} */ file) => replaceFile(row.id, file)} />`}
    ${(state === "needs-file" || state === "changed") && html`<${ChooseAgain} row=${row} />`}
  </li>`;
}

/** @type {Record<string, string>} */
const BADGES = { active: "good", refused: "bad", failed: "bad", changed: "bad", "needs-file": "warn", waiting: "warn", offline: "warn", held: "warn" };
const BARS = new Set(["checking", "sending", "paused", "waiting", "offline", "held", "verifying", "needs-file", "changed"]);

/** What the row shows. @param {Row} row @returns {string} */
function stateOf(row) {
  const { upload, stage } = row;
  if (stage !== "running") return stage;
  if (!upload) return "preparing";
  if (hasEnded(upload)) return upload.phase;
  if (upload.paused) return "paused";
  if (upload.hold) return { retry: "waiting", offline: "offline", file: "changed", server: "held" }[upload.hold.kind];
  return upload.phase;
}

/** @param {{row: Row, state: string}} props */
function Progress({ row, state }) {
  const isVerifying = state === "verifying";
  const bar = html`<${FileBar} size=${row.size} received=${row.upload?.received ?? rangesOf(row)} flying=${row.upload?.flying ?? []}
    verified=${row.upload?.verified ?? 0} />`;
  return html`<div role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.min(99, Math.floor(row.share * 100))}
    aria-label=${t(isVerifying ? "upload.bar.verified" : "upload.bar.sent", { name: row.imageName })}>${bar}</div>`;
}

/** @param {Row} row */
function rangesOf(row) {
  return (row.document?.ranges ?? []).map((/** @type {[number, number]} */ [first, last]) => ({ first, end: last + 1 }));
}

/** @param {{row: Row, state: string}} props */
function Says({ row, state }) {
  const { upload } = row;
  if (state === "preparing") return t("upload.preparing");
  if (state === "elsewhere") return t("upload.elsewhere");
  if (state === "needs-file") return t("upload.needs_file", { file: row.known?.fileName ?? row.imageName, percent: percent(row.share), size: size(row.size) });
  if (state === "failed" || state === "refused") return html`<${Failure} row=${row} />`;
  if (!upload) return null;
  if (state === "active") return t(`upload.active.${row.sent >= row.size ? "whole" : row.sent ? "part" : "here"}`, { size: size(row.size), sent: size(row.sent) });
  if (state === "verifying") return html`<span>${t("upload.verifying", { percent: percent(row.share) })}</span><span class="num">${size(upload.verified)} / ${size(row.size)}</span>`;
  if (state === "checking") return t("upload.checking");
  return html`<${Sending} row=${row} state=${state} />`;
}

/** @param {{row: Row}} props */
function Failure({ row }) {
  const problem = row.problem ?? row.upload?.problem;
  return html`<span role="alert">${row.upload?.phase === "refused" && html`<strong>${t("upload.refused")}</strong> `}${problem?.message}${problem?.hint && html` <span class="soft">${problem.hint}</span>`}</span>`;
}

/** @param {{row: Row, state: string}} props */
function Sending({ row, state }) {
  const { rate, seconds } = speedOf(row);
  const hold = row.upload?.hold;
  const why = hold && "why" in hold ? hold.why : "";
  const told = /** @type {Record<string, string>} */ ({
    paused: t("upload.paused"), offline: t("upload.offline"), held: why, changed: t("upload.changed"), waiting: t("upload.waiting", { why }),
  })[state];
  const figures = rate === null ? "" : `${number(rate / 1e6, 1)} MB/s`;
  const left = seconds === null ? "" : t("upload.left", { time: duration(seconds) });
  return html`<span class="num">${size(row.done)} / ${size(row.size)} · ${percent(row.share)}</span>
    ${told ? html`<span>${told}</span>` : html`<span class="num">${[figures, left].filter(Boolean).join(" · ")}</span>`}`;
}

/** @param {{row: Row, state: string}} props */
function Actions({ row, state }) {
  const isOver = state === "active" || state === "refused" || state === "failed" || state === "elsewhere";
  const name = { name: row.imageName };
  const remove = () => ask({
    title: t("upload.abandon.title", name), text: t("upload.abandon.text"), action: t("upload.abandon"), dangerous: true, act: () => abandon(row.id),
  });
  return html`<span class="row">
    ${["checking", "sending", "waiting", "offline"].includes(state) && html`<button type="button" class="quiet" aria-label=${t("upload.pause.name", name)} onClick=${() => steer(row.id, "pause")}>${t("upload.pause")}</button>`}
    ${state === "paused" && html`<button type="button" class="quiet" aria-label=${t("upload.resume.name", name)} onClick=${() => steer(row.id, "resume")}>${t("upload.resume")}</button>`}
    ${["waiting", "held"].includes(state) && html`<button type="button" class="quiet" onClick=${() => steer(row.id, "retry")}>${t("try_again")}</button>`}
    ${state === "failed" && hasFile(row.id) && html`<button type="button" class="quiet" onClick=${() => tryAgain(row.id)}>${t("try_again")}</button>`}
    ${state !== "active" && state !== "elsewhere" && html`<button type="button" class="quiet" aria-label=${t("upload.abandon.name", name)} onClick=${remove}>${t("upload.abandon.short")}</button>`}
    ${isOver && html`<button type="button" class="icon-button" aria-label=${t("upload.dismiss.name", name)} title=${t("upload.dismiss")} onClick=${() => dismissRow(row.id)}><${Icon} name="close" /></button>`}
  </span>`;
}

/** @param {{row: Row}} props */
function ChooseAgain({ row }) {
  const [isChecking, setChecking] = useState(false);
  const resume = async (/** @type {() => Promise<void>} */ act) => {
    setChecking(true);
    await act();
    setChecking(false);
  };
  return html`<div class="row">
    ${row.known?.handle && html`<button type="button" class="primary" disabled=${isChecking} onClick=${() => resume(() => resumeByHandle(row.id))}>${t("upload.go_on", { file: row.known.fileName })}</button>`}
    <${FileInput} label=${t("upload.choose_again")} onFile=${(/** @type {File} */ file) => resume(() => resumeWith(row.id, file))} />
    ${row.problem && html`<p role="alert" class="wrong">${row.problem.message}</p>`}
  </div>`;
}
