// The console: a page for people, over the public API and nothing else.
//
// Conventions, for who adds to it:
// * A page is a component in pages/, with a line in PAGES below. One that few need is loaded with `later`.
// * A text is a key in text/en.json, text/de.json and text/zh-CN.json of its folder, shown with `t`: core/i18n.js.
// * A call is `request(method, path, {body})` or `getJson(path)`: core/api.js. Only the public API is called.
// * What this file imports statically is served as one file: modules import and export by name (no default, no "as"),
//   and not one another. A page that is loaded with `later` is another file: name it in ENTRIES of api/console/assets.py.
// * In a template every tag is closed, <br /> too; scripts/check_templates.py finds the others.

import { html, render, useEffect, useState } from "./vendor/htm-preact-standalone.module.js";
import { announce } from "./core/announce.js";
import { config } from "./core/config.js";
import { loadLanguage, t } from "./core/i18n.js";
import { listenToKeys } from "./core/keys.js";
import { matched, navigate, place } from "./core/router.js";
import { findSession, session } from "./core/session.js";
import { useStore } from "./core/store.js";
import { applyTheme } from "./core/theme.js";
import { ImagesPage } from "./pages/images.js";
import { SignInPage } from "./pages/sign_in.js";
import { Skeleton } from "./ui/loading.js";
import { Problem } from "./ui/problem.js";
import { Shell } from "./ui/shell.js";
import { pickFiles } from "./upload/wanted.js";

/**
 * A page that is loaded when it is first shown.
 * @param {string} file Below the console's folder.
 * @param {string} name Of the component that it exports.
 */
export function later(file, name) {
  /** @type {any} */
  let component = null;
  return function Later(/** @type {any} */ props) {
    const [error, setError] = useState(/** @type {unknown} */ (null));
    const [, setReady] = useState(component !== null);
    useEffect(() => {
      if (component) return;
      import(`${config.files}/${file}`).then((module) => {
        component = module[name];
        setReady(true);
      }, () => setError(new Error(t("error.new_version"))));
    }, []);
    if (error) return html`<${Problem} error=${error} retry=${() => location.reload()} />`;
    return component ? html`<${component} ...${props} />` : html`<${Skeleton} />`;
  };
}

const LaterImage = later("pages/image.js", "ImagePage");
const LaterAdmin = later("pages/admin.js", "AdminPage");

/** Each page by its pattern, and the key of its title. @type {[string, any, string][]} */
const PAGES = [
  ["/images", ImagesPage, "nav.images"],
  ["/images/:id", LaterImage, "image"],
  ["/images/:id/:tab", LaterImage, "image"],
  ["/jobs", later("pages/jobs.js", "JobsPage"), "nav.jobs"],
  ["/access", later("pages/access.js", "AccessPage"), "nav.access"],
  ["/admin", LaterAdmin, "nav.admin"],
  ["/admin/:tab", LaterAdmin, "nav.admin"],
  ["/help", later("pages/help.js", "HelpPage"), "nav.help"],
  ["/connection", later("pages/connection.js", "ConnectionPage"), "connection.title"],
];

function App() {
  const { path } = useStore(place);
  const known = useStore(session);
  if (path === "/sign-in" || !known) return html`<${SignInPage} />`;
  for (const [pattern, component, title] of PAGES) {
    const parts = matched(pattern, path);
    if (parts) return html`<${Shell}><${Titled} key=${title} title=${t(title)}><${component} ...${parts} /><//><//>`;
  }
  return html`<${Shell}><${Titled} title=${t("not_found")}><h1>${t("not_found")}</h1><p>${t("not_found.why")}</p><//><//>`;
}

/** @param {{title: string, children?: any}} props */
function Titled({ title, children }) {
  useEffect(() => {
    document.title = `${title} · Stillage`;
    announce(title);
  }, [title]);
  return children;
}

async function begin() {
  applyTheme();
  listenToKeys({ upload: () => session.get() && pickFiles() });
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  try {
    await Promise.all([loadLanguage(), findSession()]);
    const byLink = location.hash.startsWith("#link="); // of `stillage serve`: it signs in whoever was signed in before
    if (byLink) navigate(`/sign-in${location.hash}`, { replace: true });
    else if (!session.get() && place.get().path !== "/sign-in") {
      const wanted = place.get().path + location.search;
      navigate(wanted === "/" ? "/sign-in" : `/sign-in?to=${encodeURIComponent(wanted)}`, { replace: true });
    } else if (place.get().path === "/") navigate("/images", { replace: true });
    render(html`<${App} />`, root);
  } catch (error) {
    render(html`<main class="sign-in"><${Problem} error=${error} retry=${() => location.reload()} /></main>`, root);
  }
}

begin();
