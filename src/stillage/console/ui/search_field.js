// A search field whose text is in the address, as `q`, so that what it finds can be kept and passed on.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-standalone.module.js";
import { changeQuery, place } from "../core/router.js";
import { useStore } from "../core/store.js";
import { Icon } from "./icons.js";

const WAIT_MS = 250;

/** @param {{label: string}} props */
export function SearchField({ label }) {
  const { query } = useStore(place);
  const inAddress = query.get("q") ?? "";
  const [text, setText] = useState(inAddress);
  const timer = useRef(0);
  const sought = useRef(inAddress);
  useEffect(() => {
    if (inAddress === sought.current) return; // of this field, into which more may have been typed meanwhile
    clearTimeout(timer.current);
    sought.current = inAddress;
    setText(inAddress);
  }, [inAddress]);
  useEffect(() => () => clearTimeout(timer.current), []); // the address is that of another page then
  const change = (/** @type {any} */ event) => {
    const typed = event.target.value;
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      sought.current = typed.trim();
      changeQuery({ q: sought.current || null, marker: null }, { replace: true });
    }, WAIT_MS);
  };
  return html`<label class="search">
    <${Icon} name="search" /><span class="visually-hidden">${label}</span>
    <input id="search" type="search" value=${text} placeholder=${label} onInput=${change} autocomplete="off" spellcheck=${false} />
  </label>`;
}
