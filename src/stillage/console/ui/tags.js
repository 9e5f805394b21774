// Tags of an image: a few of them, and how many more there are.

import { html, useState } from "../vendor/htm-preact-standalone.module.js";
import { plural } from "../core/i18n.js";

/** More than these are not drawn at once: an image may have ten thousand. */
const STEP = 200;

/** @param {{tags: string[], most: number, remove?: ((tag: string) => void) | undefined, label?: (tag: string) => string}} props */
export function Tags({ tags, most, remove, label }) {
  const [shown, setShown] = useState(most);
  if (!tags.length) return null;
  const others = tags.length - shown;
  return html`<span class="tags">
    ${tags.slice(0, shown).map((tag) => html`<span key=${tag} class="tag" title=${tag}><bdi>${tag}</bdi>${remove && html`<button type="button" aria-label=${label?.(tag)} onClick=${() => remove(tag)}>×</button>`}</span>`)}
    ${others > 0 && html`<button type="button" class="more" onClick=${() => setShown(shown + STEP)}>${plural("tags.more", others)}</button>`}
  </span>`;
}
