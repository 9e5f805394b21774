// Small drawings in one stroke. They decorate: a text always stands beside them.

import { html } from "../vendor/htm-preact-standalone.module.js";

/** @type {Record<string, string>} */
const PATHS = {
  images: "M3 5.5C3 4.1 6.1 3 10 3s7 1.1 7 2.5S13.9 8 10 8 3 6.900 3 5.5Zm0 0v9C3 15.900 6.100 17 10 17s7-1.100 7-2.500v-9M3 10c0 1.400 3.100 2.500 7 2.500s7-1.100 7-2.500",
  uploads: "M10 13V3m0 0L6 7m4-4 4 4M3 13v3.500h14V13",
  jobs: "M10 3v3m0 8v3m7-7h-3M6 10H3m11.900-4.900-2.100 2.100m-5.600 5.600-2.100 2.100m9.800 0-2.100-2.100M7.200 7.200 5.100 5.100",
  access: "M12.500 3a4.500 4.500 0 1 0 1.800 8.600M12.500 3a4.500 4.500 0 0 1 1.800 8.600M9.300 10.700 3 17v0h3v-2h2v-2h1.500",
  admin: "M4 4h12v4H4zm0 8h12v4H4zM6.500 6h.01M6.500 14h.01",
  help: "M7.500 7.500a2.500 2.500 0 1 1 3.600 2.200c-.7.400-1.100.9-1.100 1.800M10 14.500h.01M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z",
  search: "M13.500 13.500 17 17M15 9A6 6 0 1 1 3 9a6 6 0 0 1 12 0Z",
  close: "m5 5 10 10M15 5 5 15",
  copy: "M7 7V3.500h9.500V13H13M3.500 7H13v9.500H3.500z",
  check: "m4 10.500 4 4 8-9",
  warning: "M10 3 2.500 16.500h15zm0 5v4m0 2.300h.01",
  lock: "M5 9h10v7.500H5zm2 0V6.500a3 3 0 0 1 6 0V9",
  down: "m5 8 5 5 5-5",
  download: "M10 3v10m0 0-4-4m4 4 4-4M3 16.500h14",
};

/** @param {{name: string}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
