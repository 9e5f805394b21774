// The list of images that the address asks for, and the request that gets it: tabs, search, filters, order, pages.

import { getJson } from "../core/api.js";
import { session } from "../core/session.js";

export const TABS = /** @type {const} */ (["mine", "shared", "public", "hidden"]);
export const PAGE_SIZE = 30;
export const OFFERS = /** @type {const} */ (["accepted", "pending", "rejected"]);
/** Filters that are chips: their name in the address is that of the API. */
export const FILTERS = /** @type {const} */ (["status", "disk_format", "visibility", "tag"]);
const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/**
 * @typedef {object} Wanted
 * @property {string} tab
 * @property {string} path Of the API that lists it.
 * @property {URLSearchParams} query As it is sent.
 */

/** @param {URLSearchParams} address The query of this page's address. @returns {Wanted} */
export function wantedList(address) {
  const tab = TABS.find((each) => each === address.get("tab")) ?? "mine";
  const query = new URLSearchParams();
  scope(tab, address, query);
  const text = address.get("q")?.trim();
  if (text) {
    if (ID.test(text)) query.set("id", text);
    else query.set("name", `contains:${text}`);
  }
  for (const name of FILTERS) address.getAll(name).forEach((value) => query.append(name, value));
  const sort = address.get("sort");
  if (sort && tab === "shared") {
    const [key, direction] = sort.split(":");
    query.set("sort_key", key ?? "");
    query.set("sort_dir", direction ?? "asc");
  } else if (sort) query.set("sort", sort);
  query.set("limit", String(PAGE_SIZE));
  const marker = address.get("marker");
  if (marker) query.set("marker", marker);
  return { tab, query, path: tab === "shared" ? "/v2/cloudimages" : "/v2/images" };
}

/** @param {string} tab @param {URLSearchParams} address @param {URLSearchParams} query */
function scope(tab, address, query) {
  const project = session.get()?.project.id ?? "";
  if (tab === "mine") query.set("owner", project);
  if (tab === "public") query.set("visibility", "public");
  if (tab === "shared") {
    query.set("__imagetype", "shared");
    query.set("member_status", OFFERS.find((each) => each === address.get("offer")) ?? "accepted");
  }
  if (tab === "hidden") {
    query.set("owner", project);
    query.set("os_hidden", "true");
  }
}

/** @param {URLSearchParams} address @returns {boolean} True if the list is less than everything in its tab. */
export function isFiltered(address) {
  return Boolean(address.get("q")) || address.has("marker") || FILTERS.some((name) => address.has(name));
}

/**
 * @typedef {object} Listed
 * @property {import("../core/images.js").Image[]} images
 * @property {string | null} marker Of the next page.
 * @property {number | null} count Of the images on all pages, if it is known.
 * @property {boolean} isMore There are more than *count*.
 */

/** The count of the list that was shown last: it is asked for with a first page only. */
let counted = { list: "", count: /** @type {number | null} */ (null), isMore: false };

/** @param {Wanted} wanted @param {AbortSignal} signal @returns {Promise<Listed>} */
export async function loadList({ tab, path, query }, signal) {
  const all = new URLSearchParams(query);
  all.delete("marker");
  const list = `${path}?${all}`;
  const counts = tab !== "shared" && (!query.has("marker") || counted.list !== list);
  const answer = await getJson(`${path}?${query}${counts ? "&count=1" : ""}`, { signal });
  if (counts) counted = { list, count: answer.count ?? null, isMore: answer.count_is_more ?? false };
  const { images } = answer;
  const { count, isMore } = counted.list === list ? counted : { count: null, isMore: false };
  return { images, marker: images.length === PAGE_SIZE ? images[images.length - 1].id : null, count, isMore };
}

/** How many offers wait for an answer, up to a page of them. @param {AbortSignal} signal @returns {Promise<number>} */
export async function countOffers(signal) {
  const query = `__imagetype=shared&member_status=pending&limit=${PAGE_SIZE}`;
  return (await getJson(`/v2/cloudimages?${query}`, { signal })).images.length;
}
