// Texts in the language of the user, and numbers, sizes and times as that language writes them.
//
// To add a text: a key in text/en.json, text/de.json and text/zh-CN.json of your folder (a test finds missing keys),
// and `t(key, {name: value})` where it is shown. Catalogues of all folders are one; begin your keys with the folder.
// A key that depends on a number has two texts, key.one and key.other: `plural(key, number)`.

import { config, initialTexts } from "./config.js";

const LANGUAGE = "stillage.language";
/** @type {Record<string, string>} */
let catalogue = initialTexts;
export const language = { current: document.documentElement.lang || "en" };

/** Read the catalogue that the user chose, if it is not the one that came with the page. */
export async function loadLanguage() {
  const wanted = localStorage.getItem(LANGUAGE);
  if (!wanted || wanted === language.current || !config.languages.includes(wanted)) return;
  const answer = await fetch(`${config.files}/text/${wanted}.json`);
  if (!answer.ok) return;
  catalogue = await answer.json();
  language.current = wanted;
  made.clear();
  document.documentElement.lang = wanted;
}

/** @param {string} wanted */
export function chooseLanguage(wanted) {
  localStorage.setItem(LANGUAGE, wanted);
  location.reload();
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] For the names in braces.
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = catalogue[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @param {string} key @returns {boolean} */
export function hasText(key) {
  return key in catalogue;
}

/** Formatters by name. Making one takes as long as drawing a row, and the language does not change. @type {Map<string, any>} */
const made = new Map();

/**
 * @template T
 * @param {string} name
 * @param {() => T} make
 * @returns {T}
 */
function once(name, make) {
  if (!made.has(name)) made.set(name, make());
  return made.get(name);
}

/** @param {string} key @param {number} count @param {Record<string, string | number>} [values] */
export function plural(key, count, values = {}) {
  const form = once("plural", () => new Intl.PluralRules(language.current)).select(count);
  const found = `${key}.${form}` in catalogue ? `${key}.${form}` : `${key}.other`;
  return t(found, { count: number(count), ...values });
}

/** @param {number} value @param {number} [digits] After the point. */
export function number(value, digits = 0) {
  return once(`number ${digits}`, () => new Intl.NumberFormat(language.current, { maximumFractionDigits: digits })).format(value);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** @param {number | null | undefined} bytes @returns {string} For instance "1.5 GiB". */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const scaled = bytes / 1024 ** power;
  return `${number(scaled, scaled < 10 && power ? 2 : scaled < 100 && power ? 1 : 0)} ${UNITS[power]}`;
}

/** @param {number} share From 0 to 1. Never shows 100 % before it is. */
export function percent(share) {
  return `${number(share >= 1 ? 100 : Math.min(99, Math.floor(share * 100)))} %`;
}

/** @param {string | number | null | undefined} when @returns {string} */
export function dateTime(when) {
  if (!when) return "–";
  const words = once("time", () => new Intl.DateTimeFormat(language.current, { dateStyle: "medium", timeStyle: "short" }));
  return words.format(new Date(when));
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const SPANS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

/** @param {string | null | undefined} when @returns {string} For instance "3 days ago". */
export function age(when) {
  if (!when) return "–";
  const seconds = (new Date(when).getTime() - Date.now()) / 1000;
  const words = once("age", () => new Intl.RelativeTimeFormat(language.current, { numeric: "auto" }));
  for (const [unit, length] of SPANS) {
    if (Math.abs(seconds) >= length) return words.format(Math.round(seconds / length), unit);
  }
  return words.format(Math.round(seconds), "second");
}

/** @param {number} seconds @returns {string} For instance "1:05:09" or "0:42". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : String(part))).join(":");
}
