// A mark for the operating system of an image: two letters on a colour, drawn here. Nobody's logo.

import { html } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";

/** Name, letters and colour by the values of os_distro, as Glance's metadata definitions list them, and of IMS's __platform. @type {Record<string, [string, string, string]>} */
const KNOWN = {
  almalinux: ["AlmaLinux", "Al", "#0b5394"], alpine: ["Alpine Linux", "Ap", "#0d597f"], arch: ["Arch Linux", "Ar", "#14639a"],
  centos: ["CentOS", "Ce", "#7a2f7a"], coreos: ["CoreOS", "Co", "#2a5a9c"], debian: ["Debian", "De", "#a3123f"],
  euleros: ["EulerOS", "Eu", "#8f1d1d"], fedora: ["Fedora", "Fe", "#2c5187"], freebsd: ["FreeBSD", "Fb", "#9c1c14"],
  gentoo: ["Gentoo", "Ge", "#54487a"], netbsd: ["NetBSD", "Nb", "#a84300"], openbsd: ["OpenBSD", "Ob", "#7a5c00"],
  openeuler: ["openEuler", "oE", "#0b4aa2"], opensuse: ["openSUSE", "oS", "#3f6d12"], oracle: ["Oracle Linux", "Or", "#9e2b20"],
  rhel: ["Red Hat Enterprise Linux", "Rh", "#a30000"], rocky: ["Rocky Linux", "Ro", "#0a6e4e"], sled: ["SUSE Linux Enterprise", "Su", "#2a6b2a"],
  ubuntu: ["Ubuntu", "Ub", "#a33a12"], windows: ["Windows", "Wi", "#0a5c9e"],
};
/** Other ways to write them. @type {Record<string, string>} */
const ALIASES = { redhat: "rhel", suse: "sled", sles: "sled", "oracle linux": "oracle", "red hat": "rhel", "rocky linux": "rocky", "arch linux": "arch", archlinux: "arch" };
const OTHER = "#55606b";

/** @param {import("../core/images.js").Image} image @returns {[string, string, string] | null} Null if the image does not say. */
function markOf(image) {
  const said = String(image.os_distro ?? /** @type {any} */ (image).__platform ?? "").trim();
  if (!said) return null;
  const name = said.toLowerCase();
  const letters = [...said].slice(0, 2).join("");
  return KNOWN[ALIASES[name] ?? name] ?? [said, `${letters.charAt(0).toUpperCase()}${letters.slice(1)}`, OTHER];
}

/** @param {{image: import("../core/images.js").Image}} props */
export function Distribution({ image }) {
  const mark = markOf(image);
  const [name, letters, colour] = mark ?? [t("image.distribution.none"), "", OTHER];
  return html`<svg class="distribution" viewBox="0 0 20 20" role="img" aria-label=${name}><title>${name}</title>
    <rect width="20" height="20" rx="5" fill=${mark ? colour : "none"} stroke=${mark ? "none" : OTHER} stroke-dasharray=${mark ? null : "2 2"} />
    <text x="10" y="14" text-anchor="middle" font-size="10" font-weight="700" fill="#ffffff">${letters}</text>
  </svg>`;
}
