// Page: the images.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { getJson } from "../core/api.js";
import { size, t } from "../core/i18n.js";
import { Skeleton, useLoaded } from "../ui/loading.js";
import { Problem } from "../ui/problem.js";

export function ImagesPage() {
  const { data, error, again } = useLoaded((signal) => getJson("/v2/images?limit=50", { signal }), []);
  if (error) return html`<${Problem} error=${error} retry=${again} />`;
  if (!data) return html`<${Skeleton} />`;
  return html`<h1>${t("nav.images")}</h1>
    <ul>${data.images.map((/** @type {any} */ image) => html`<li key=${image.id}><bdi>${image.name}</bdi> ${image.status} ${size(image.size)}</li>`)}</ul>`;
}
