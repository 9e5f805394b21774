// What can be done with an image: rename, deactivate, protect, hide, delete. What cannot be undone is asked for first.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-standalone.module.js";
import { notify } from "../core/announce.js";
import { request } from "../core/api.js";
import { t } from "../core/i18n.js";
import { changeImage, deleteImage, nameOf, pathOf, setAttributes } from "../core/images.js";
import { Link, navigate } from "../core/router.js";
import { ask, Dialog } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { Problem } from "../ui/problem.js";

/** @typedef {import("../core/images.js").Image} Image */

/** @param {{image: Image, again: () => void}} props */
export function ImageActions({ image, again }) {
  const [renaming, setRenaming] = useState(false);
  const act = async (/** @type {Promise<unknown>} */ acting, /** @type {string} */ done) => {
    try {
      await acting;
      notify(t(done, { name: nameOf(image) }));
      again();
    } catch (error) {
      notify(String(/** @type {Error} */ (error).message), "problem");
    }
  };
  const status = image.status === "deactivated" ? "reactivate" : "deactivate";
  return html`<${Menu} label=${t("image.actions")}>
      <button type="button" onClick=${() => setRenaming(true)}>${t("image.rename")}</button>
      ${["active", "deactivated"].includes(image.status) && html`<button type="button" onClick=${() => act(request("POST", `${pathOf(image.id)}/actions/${status}`), `image.${status}.done`)}>${t(`image.${status}`)}</button>`}
      <button type="button" onClick=${() => act(setAttributes(image.id, { protected: !image.protected }), image.protected ? "image.unprotect.done" : "image.protect.done")}>${t(image.protected ? "image.unprotect" : "image.protect")}</button>
      <button type="button" onClick=${() => act(setAttributes(image.id, { os_hidden: !image.os_hidden }), image.os_hidden ? "image.unhide.done" : "image.hide.done")}>${t(image.os_hidden ? "image.unhide" : "image.hide")}</button>
      <${Link} class="button" to=${`/images/${image.id}/sharing`}>${t("image.share")}<//>
      <hr />
      <button type="button" class="danger" onClick=${() => askToDelete(image)}>${t("image.delete")}</button>
    <//>
    ${renaming && html`<${Rename} image=${image} onClose=${() => setRenaming(false)} again=${again} />`}`;
}

/** @param {Image} image */
function askToDelete(image) {
  const name = nameOf(image);
  ask({
    title: t("image.delete.title", { name }),
    text: t(image.protected ? "image.delete.protected" : "image.delete.why"),
    action: t("image.delete"),
    dangerous: true,
    ...(image.protected ? { typed: name } : {}),
    act: async () => {
      if (image.protected) await setAttributes(image.id, { protected: false });
      await deleteImage(image.id);
      notify(t("image.delete.done", { name }));
      navigate("/images");
    },
  });
}

/** @param {{image: Image, again: () => void, onClose: () => void}} props */
function Rename({ image, again, onClose }) {
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const name = event.target.elements.name.value;
    try {
      await changeImage(image.id, [{ op: "replace", path: "/name", value: name }]);
      again();
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Dialog} title=${t("image.rename")} onClose=${onClose}><form onSubmit=${submit}>
    <label class="field"><span>${t("image.name")}</span><input name="name" defaultValue=${image.name ?? ""} maxlength="255" required /></label>
    ${error && html`<${Problem} error=${error} />`}
    <div class="buttons"><button type="button" class="quiet" onClick=${onClose}>${t("cancel")}</button><button class="primary">${t("save")}</button></div>
  </form><//>`;
}

/** A button that opens a list of further buttons. @param {{label: string, children?: any}} props */
function Menu({ label, children }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!open) return undefined;
    const close = (/** @type {Event} */ event) => {
      const inside = box.current?.contains(/** @type {Node} */ (event.target));
      if (event.type === "click" ? !inside : /** @type {KeyboardEvent} */ (event).key === "Escape") setOpen(false);
    };
    addEventListener("click", close);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("click", close);
      removeEventListener("keydown", close);
    };
  }, [open]);
  return html`<div class="menu" ref=${box}>
    <button type="button" aria-expanded=${open} onClick=${() => setOpen(!open)}>${label}<${Icon} name="down" /></button>
    ${open && html`<div class="menu-list" onClick=${() => setOpen(false)}>${children}</div>`}
  </div>`;
}
