// Why an image is refused: the sentence is in the row; here are the place in the file, the rule and the way to fix it.

import { html, useEffect, useState } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { number, size, t } from "../core/i18n.js";
import { FileBar } from "../disk/file_bar.js";
import { Snippet } from "../ui/as_command.js";
import { fixFor } from "./fixes.js";

/** @typedef {import("./engine.js").Problem} Problem */

/** @param {{row: import("./uploads.js").Row, problem: Problem}} props */
export function Refusal({ row, problem }) {
  const { offset } = problem;
  const fix = problem.fix && row.fileName ? fixFor(problem.fix, row.fileName, problem.found ?? problem.declared ?? null) : problem.fix;
  return html`<div class="refusal">
    <${FileBar} size=${row.size} received=${row.upload?.received ?? []} pin=${offset ?? null} />
    <p class="note">
      ${offset === null || offset === undefined ? size(row.size) : t("upload.at_byte", { byte: number(offset), size: size(row.size) })}
      ${problem.rule && html`${" · "}<${Rule} id=${problem.rule} />`}
    </p>
    ${fix && html`<div class="fix">
      <p class="note">${t("upload.fix")}</p>
      <${Snippet} text=${fix} />
    </div>`}
    ${row.upload && html`<p class="note">${t("upload.only_sent", { size: size(row.sent) })}</p>`}
  </div>`;
}

/** The rule's id; what it means follows when it is asked for. @param {{id: string}} props */
function Rule({ id }) {
  const [rule, setRule] = useState(/** @type {{meaning: string} | null} */ (null));
  useEffect(() => {
    const asking = new AbortController();
    getJson("/v2/rules", { signal: asking.signal }).then(
      ({ rules }) => setRule(rules.find((/** @type {any} */ each) => each.id === id) ?? null),
      () => undefined,
    );
    return () => asking.abort();
  }, [id]);
  if (!rule) return html`<code class="rule">${id}</code>`;
  return html`<details class="rule">
    <summary><code>${id}</code></summary>
    <p>${rule.meaning}</p>
  </details>`;
}
