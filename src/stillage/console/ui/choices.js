// The choices of language and colours.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { config } from "../core/config.js";
import { chooseLanguage, language, t } from "../core/i18n.js";
import { chooseTheme, chosenTheme, THEMES } from "../core/theme.js";

/** @type {Record<string, string>} */
const LANGUAGE_NAMES = { en: "English", de: "Deutsch", "zh-CN": "简体中文" };

export function Choices() {
  const changeLanguage = (/** @type {any} */ event) => chooseLanguage(event.target.value);
  const changeTheme = (/** @type {any} */ event) => chooseTheme(event.target.value);
  return html`<div class="choices">
    <select aria-label=${t("language")} onChange=${changeLanguage}>
      ${config.languages.map((each) => html`<option key=${each} value=${each} selected=${each === language.current}>${LANGUAGE_NAMES[each] ?? each}</option>`)}
    </select>
    <select aria-label=${t("theme")} onChange=${changeTheme}>
      ${THEMES.map((each) => html`<option key=${each} value=${each} selected=${each === chosenTheme()}>${t(`theme.${each}`)}</option>`)}
    </select>
  </div>`;
}
