// The search field of the images, and the filters as chips.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { config } from "../core/config.js";
import { hasText, t } from "../core/i18n.js";
import { changeQuery, place } from "../core/router.js";
import { useStore } from "../core/store.js";
import { Icon } from "../ui/icons.js";
import { SearchField } from "../ui/search_field.js";
import { FILTERS } from "./image_query.js";

const STATUSES = ["active", "queued", "saving", "uploading", "importing", "deactivated", "killed"];

/** @param {{tab: string}} props */
export function FilterBar({ tab }) {
  const { query } = useStore(place);
  const chips = FILTERS.flatMap((name) => query.getAll(name).map((value) => ({ name, value })));
  return html`<search class="filters">
    <${SearchField} label=${t("filter.search")} />
    <${AddFilter} name="status" values=${STATUSES} />
    <${AddFilter} name="disk_format" values=${config.disk_formats} />
    ${tab === "mine" && html`<${AddFilter} name="visibility" values=${config.visibilities} />`}
    <${AddTag} />
    ${chips.length > 0 && html`<ul class="chips" aria-label=${t("filter.active")}>${chips.map((chip) => Chip(chip.name, chip.value))}</ul>`}
  </search>`;
}

/** @param {string} name @param {string} value */
export function filterText(name, value) {
  return hasText(`${name}.${value}`) ? t(`${name}.${value}`) : value;
}

/** @param {{name: string, values: string[]}} props */
function AddFilter({ name, values }) {
  const { query } = useStore(place);
  const chosen = query.get(name) ?? "";
  // It stays, with its value: an arrow key chooses each value that it passes. Only the first of them is a step back.
  const add = (/** @type {any} */ event) => changeQuery({ [name]: event.target.value, marker: null }, { replace: Boolean(chosen) });
  return html`<select class="add-filter" aria-label=${t(`filter.${name}`)} onChange=${add}>
    <option value="" selected=${!chosen}>${t(`filter.${name}`)}</option>
    ${values.map((value) => html`<option key=${value} value=${value} selected=${value === chosen}>${filterText(name, value)}</option>`)}
  </select>`;
}

function AddTag() {
  const { query } = useStore(place);
  const add = (/** @type {any} */ event) => {
    event.preventDefault();
    const field = event.target.elements.tag;
    if (field.value.trim()) changeQuery({ tag: [...query.getAll("tag"), field.value.trim()], marker: null });
    field.value = "";
  };
  return html`<form class="add-tag" onSubmit=${add}><input name="tag" aria-label=${t("filter.tag")} placeholder=${t("filter.tag")} maxlength="255" /></form>`;
}

/** @param {string} name @param {string} value */
function Chip(name, value) {
  const remove = () => {
    const others = place.get().query.getAll(name).filter((each) => each !== value);
    changeQuery({ [name]: others, marker: null });
    document.getElementById("search")?.focus(); // what has the focus goes
  };
  const text = `${t(`filter.${name}`)}: ${filterText(name, value)}`;
  return html`<li key=${`${name}=${value}`}><button type="button" class="chip" aria-label=${t("filter.remove", { filter: text })} onClick=${remove}>
    <bdi>${text}</bdi><${Icon} name="close" />
  </button></li>`;
}
