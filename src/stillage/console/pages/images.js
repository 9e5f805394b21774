// Page: the images. Tabs, search and filters are in the address, so that it can be kept and passed on.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact-standalone.module.js";
import { listCommands } from "../core/commands.js";
import { number, plural, t } from "../core/i18n.js";
import { useLive } from "../core/live.js";
import { changeQuery, Link, place } from "../core/router.js";
import { useStore } from "../core/store.js";
import { AsCommand } from "../ui/as_command.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Paging } from "../ui/paging.js";
import { Problem } from "../ui/problem.js";
import { BulkActions } from "./bulk.js";
import { countOffers, isFiltered, loadList, OFFERS, TABS, wantedList } from "./image_query.js";
import { FilterBar } from "./image_filters.js";
import { ImageTable } from "./image_table.js";
import { NoImages, UploadButton } from "./no_images.js";

const ASKED_AFTER_MS = 4000;

export function ImagesPage() {
  const { query: address } = useStore(place);
  const wanted = wantedList(address);
  const list = useLoaded((signal) => loadList(wanted, signal), [wanted.path, wanted.query.toString()]);
  const shown = list.data?.images;
  useLive(
    ({ kind, data }) => kind === "image" && (["created", "deleted"].includes(data.change) || Boolean(shown?.some((image) => image.id === data.id))),
    list.again,
  );
  const [selected, setSelected] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  useEffect(() => setSelected((now) => (now.size ? new Set() : now)), [wanted.query.toString()]);
  const images = list.data?.images ?? [];
  // What else changes on the page does not draw its rows again: that is most of the work of a page.
  const table = useMemo(
    () => html`<${ImageTable} images=${shown ?? []} selected=${selected} select=${setSelected} tab=${wanted.tab} again=${list.again} />`,
    [shown, selected, wanted.tab, list.again],
  );
  return html`
    <div class="page-head">
      <h1>${t("nav.images")}</h1>
      <${AsCommand} commands=${() => listCommands(wanted)} />
      <${UploadButton} />
    </div>
    <${Tabs} tab=${wanted.tab} />
    ${wanted.tab === "shared" && html`<${Offers} />`}
    <${FilterBar} tab=${wanted.tab} />
    ${list.error && html`<${Problem} error=${list.error} retry=${list.again} />`}
    ${!list.data && !list.error && html`<${Skeleton} lines=${6} />`}
    ${list.data && images.length > 0 && html`
      <${BulkActions} images=${images.filter((image) => selected.has(image.id))} tab=${wanted.tab} again=${list.again} clear=${() => setSelected(new Set())} />
      ${table}
      <${Paging} marker=${list.data.marker} note=${howMany(list.data)} />`}
    ${list.data && images.length === 0 && html`<${NoImages} tab=${wanted.tab} filtered=${isFiltered(address)} />`}
  `;
}

/** @param {{tab: string}} props */
function Tabs({ tab }) {
  const offers = useOffers();
  return html`<nav class="tabs" aria-label=${t("images.tabs")}>
    ${TABS.map((each) => html`<${Link} key=${each} to=${each === "mine" ? "/images" : `/images?tab=${each}`} current=${each === tab}>
      ${t(`images.tab.${each}`)}
      ${each === "shared" && offers > 0 && html`<span class="count" title=${plural("images.offers", offers)}>${offers}<span class="visually-hidden"> ${t("images.offers.waiting")}</span></span>`}
    <//>`)}
  </nav>`;
}

/** How many offers wait. It is asked for when the list is there: it is the less important one. */
function useOffers() {
  const [offers, setOffers] = useState(0);
  useEffect(() => {
    const aborting = new AbortController();
    const timer = setTimeout(() => countOffers(aborting.signal).then(setOffers, () => {}), ASKED_AFTER_MS);
    return () => {
      clearTimeout(timer);
      aborting.abort();
    };
  }, []);
  return offers;
}

function Offers() {
  const { query } = useStore(place);
  const chosen = OFFERS.find((each) => each === query.get("offer")) ?? "accepted";
  return html`<div class="tools" role="group" aria-label=${t("images.offer")}>
    ${OFFERS.map((each) => html`<button key=${each} type="button" aria-pressed=${each === chosen} onClick=${() => changeQuery({ offer: each, marker: null })}>${t(`images.offer.${each}`)}</button>`)}
  </div>`;
}

/** @param {import("./image_query.js").Listed} list */
function howMany({ images, count, isMore }) {
  if (count === null) return plural("images.shown", images.length);
  if (!isMore && count <= images.length) return plural("images.total", count);
  return t(isMore ? "images.shown.of_more" : "images.shown.of", { shown: number(images.length), count: number(count) });
}
