// Light or dark: as the system says, or as the user chose.

const THEME = "stillage.theme";
export const THEMES = ["auto", "light", "dark"];

/** @returns {string} */
export function chosenTheme() {
  return localStorage.getItem(THEME) ?? "auto";
}

/** @param {string} theme */
export function chooseTheme(theme) {
  localStorage.setItem(THEME, theme);
  applyTheme();
}

export function applyTheme() {
  const theme = chosenTheme();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
