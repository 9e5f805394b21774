// Which page is shown: the address bar says it. Links do not load the page again.
//
// To add a page: a component in a module of its own, and a line in the table of main.js. A page that few need is
// loaded when it is first shown; see `later`.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { config } from "./config.js";
import { store } from "./store.js";

const ROOT = `${config.base}/console`;

/**
 * @typedef {object} Place
 * @property {string} path Below /console, for instance `/images`.
 * @property {URLSearchParams} query
 */

/** @returns {Place} */
function here() {
  const path = location.pathname.startsWith(ROOT) ? location.pathname.slice(ROOT.length) : "/";
  return { path: path.replace(/\/+$/, "") || "/", query: new URLSearchParams(location.search) };
}

export const place = store(here());
addEventListener("popstate", () => place.set(here()));

/** @typedef {{replace?: boolean, state?: string}} How  state: what `history.state` is there. */

/** @param {string} path Below /console, with its query. @param {How} [how] */
export function navigate(path, { replace, state } = {}) {
  const address = ROOT + path;
  if (replace) history.replaceState(state ?? null, "", address);
  else history.pushState(state ?? null, "", address);
  place.set(here());
}

/**
 * Change the query of the address: null removes a name.
 * @param {Record<string, string | string[] | null>} changes
 * @param {How} [how]
 */
export function changeQuery(changes, how = {}) {
  const { path, query } = here();
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    if (Array.isArray(value)) value.forEach((each) => query.append(name, each));
    else if (value) query.set(name, value);
  }
  const text = query.toString();
  navigate(path + (text ? `?${text}` : ""), how);
}

/** @param {MouseEvent} event */
function follow(event) {
  const link = /** @type {HTMLAnchorElement} */ (event.currentTarget);
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(link.getAttribute("data-to") ?? "/");
}

/** A link to a page. @param {{to: string, class?: string, current?: boolean, children?: any, [name: string]: any}} props */
export function Link({ to, current, children, ...others }) {
  const mark = current ? "page" : null;
  return html`<a ...${others} href=${ROOT + to} data-to=${to} aria-current=${mark} onClick=${follow}>${children}</a>`;
}

/**
 * @param {string} pattern For instance `/images/:id/:tab`.
 * @param {string} path
 * @returns {Record<string, string> | null} The parts of *path* by name.
 */
export function matched(pattern, path) {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  /** @type {Record<string, string>} */
  const parts = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? "";
    if (part.startsWith(":")) parts[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return null;
  }
  return parts;
}
