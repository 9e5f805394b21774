// "As a command": what the page shows, for a shell or for Terraform, with a button that copies it.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";
import { Copy } from "./copy.js";
import { Dialog } from "./dialog.js";

const TOOLS = /** @type {const} */ ([["curl", "curl"], ["openstack", "openstack"], ["stillage", "stillage"], ["terraform", "Terraform"]]);
const TOOL = "stillage.tool";

/** A button, and the dialog that it opens. @param {{commands: () => import("../core/commands.js").Commands}} props */
export function AsCommand({ commands }) {
  const [open, setOpen] = useState(false);
  return html`<button type="button" class="quiet" onClick=${() => setOpen(true)}>${t("command.open")}</button>
    ${open && html`<${Dialog} wide title=${t("command.title")} onClose=${() => setOpen(false)}>
      <${Tools} commands=${commands()} />
      <div class="buttons"><button type="button" class="primary" onClick=${() => setOpen(false)}>${t("close")}</button></div>
    <//>`}`;
}

/** @param {{commands: import("../core/commands.js").Commands}} props */
export function Tools({ commands }) {
  const known = TOOLS.filter(([tool]) => commands[tool]);
  const remembered = localStorage.getItem(TOOL);
  const [chosen, setChosen] = useState(known.find(([tool]) => tool === remembered)?.[0] ?? known[0]?.[0] ?? "curl");
  const choose = (/** @type {any} */ tool) => {
    localStorage.setItem(TOOL, tool);
    setChosen(tool);
  };
  const text = commands[chosen] ?? "";
  return html`<div class="tools" role="group" aria-label=${t("command.tool")}>
      ${known.map(([tool, name]) => html`<button key=${tool} type="button" aria-pressed=${tool === chosen} onClick=${() => choose(tool)}>${name}</button>`)}
    </div>
    <${Snippet} text=${text} />
    ${chosen === "curl" && html`<p class="note">${t("command.token")} <code>OS_TOKEN=$(openstack token issue -f value -c id)</code></p>`}`;
}

/** A text to copy. @param {{text: string}} props */
export function Snippet({ text }) {
  return html`<div class="command"><pre tabindex="0"><code>${text}</code></pre><${Copy} text=${text} /></div>`;
}
