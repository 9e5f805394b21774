// The dock: what is being uploaded, on every page. It stays while one navigates, and minds the page while files are sent.

import { html, useEffect, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { t, plural } from "../core/i18n.js";
import { useStore } from "../core/store.js";
import { Icon } from "../ui/icons.js";
import { hasEnded } from "./phases.js";
import { dropped, hasFiles } from "./dropping.js";
import { NewImagesForm } from "./form.js";
import { keepAwake } from "./awake.js";
import { onOffer } from "./handing_over.js";
import { findUnfinished, watchOtherTabs } from "./resuming.js";
import { UploadRow } from "./row.js";
import { dismissRow, isBusy, isMoving, rows } from "./uploads.js";
import { wantFiles, wantedFiles } from "./wanted.js";

export function Dock() {
  const shown = useStore(rows);
  const wanted = useStore(wantedFiles);
  const [isOpen, setOpen] = useState(true);
  useEffect(() => {
    const find = () => void findUnfinished().catch(() => undefined);
    onOffer(find);
    find();
  }, []);
  useEffect(() => rows.subscribe(() => (keepAwake(isMoving()), watchOtherTabs())), []);
  useWarning();
  const close = () => wantedFiles.set(null);
  return html`
    <${DropTarget} />
    ${wanted && html`<${NewImagesForm} chosen=${wanted} onClose=${close} />`}
    ${shown.length > 0 &&
    html`<section class=${`dock ${isOpen ? "open" : ""}`} aria-labelledby="dock-title">
      <header>
        <h2 id="dock-title">${titleOf(shown)}</h2>
        ${shown.some(isOver) && html`<button type="button" class="quiet" onClick=${dismissAll}>${t("upload.clear")}</button>`}
        <button type="button" class="icon-button fold" aria-expanded=${isOpen} aria-controls="dock-rows"
          aria-label=${t(isOpen ? "upload.fold" : "upload.unfold")} onClick=${() => setOpen(!isOpen)}><${Icon} name="down" /></button>
      </header>
      <ul id="dock-rows" hidden=${!isOpen}>
        ${shown.map((row) => html`<${UploadRow} key=${row.id} row=${row} />`)}
      </ul>
    </section>`}
  `;
}

/** @typedef {import("./uploads.js").Row} Row */

/** @param {Row[]} shown */
function titleOf(shown) {
  const running = shown.filter((row) => !isOver(row) && row.stage !== "needs-file");
  if (running.length) return plural("upload.title", running.length);
  const waiting = shown.filter((row) => row.stage === "needs-file");
  return waiting.length ? plural("upload.title.waiting", waiting.length) : t("upload.title.done");
}

/** @param {Row} row */
function isOver(row) {
  return row.stage === "failed" || (row.upload !== null && row.stage === "running" && hasEnded(row.upload));
}

function dismissAll() {
  for (const row of rows.get().filter(isOver)) dismissRow(row.id);
}

/** Ask before the page is closed while files are sent. */
function useWarning() {
  useEffect(() => {
    const warn = (/** @type {BeforeUnloadEvent} */ event) => isBusy() && event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, []);
}

/** The whole page takes files. */
function DropTarget() {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    let depth = 0; // the pointer enters an element before it leaves the one around it
    const listening = new AbortController();
    const on = (/** @type {string} */ name, /** @type {(event: DragEvent) => void} */ act) =>
      addEventListener(name, (event) => hasFiles(/** @type {DragEvent} */ (event)) && act(/** @type {DragEvent} */ (event)), { signal: listening.signal });
    on("dragenter", (event) => (event.preventDefault(), (depth += 1), setOver(true)));
    on("dragover", (event) => event.preventDefault());
    on("dragleave", () => (depth -= 1) || setOver(false));
    on("drop", (event) => {
      event.preventDefault();
      depth = 0;
      setOver(false);
      void dropped(event).then(({ files, folders }) => {
        wantFiles(files);
        if (folders.length) notify(plural("upload.folders", folders.length, { name: folders[0] ?? "" }), "problem");
      });
    });
    return () => listening.abort();
  }, []);
  return isOver && html`<div class="drop-target"><p>${t("upload.drop")}</p></div>`;
}
