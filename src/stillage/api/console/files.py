"""Serve the console's page and files, with a content security policy that lets nothing else run.

Source: docs/console.md. The headers follow W3C "Content Security Policy Level 3" and WHATWG HTML,
"Cross-origin opener policies".
"""

import hashlib
import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from stillage.api.console.assets import FOLDER, LANGUAGES, Asset, assets
from stillage.api.console.config import config_of
from stillage.api.description import Details
from stillage.api.http.json_bodies import json_response
from stillage.api.services import public_url, services
from stillage.errors import RouteNotFound

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFE: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
FOREVER = "public, max-age=31536000, immutable"
"""For a year; the address has the digest."""
ASK_AGAIN = "no-cache"
DETAILS: Mapping[str, Details] = {
    "GET /console": Details({308: None}),
    "GET /console/config": Details({200: "ConsoleConfig"}),
    "GET /console/ca.pem": Details({200: "text"}, (404,)),
    "GET /console/{digest}/{file}": Details({200: "text", 304: None}, (404,)),
    "GET /console/{page}": Details({200: "text", 304: None}),
}
PAGE = (FOLDER / "index.html").read_text(encoding="utf-8")


async def page(request: web.Request) -> web.Response:
    """GET /console/{page}: the console. Its script shows the page that the path names."""
    language = language_of(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    body = _filled(urlsplit(public_url(request)).path, language, config_of(request))
    headers: dict[str, str] = {hdrs.CACHE_CONTROL: ASK_AGAIN, hdrs.VARY: "Accept-Encoding, Accept-Language"}
    return _answer(request, Asset(body.encode(), "text/html"), headers)


async def file(request: web.Request) -> web.Response:
    """GET /console/{digest}/{file}: one of its files, which a browser may keep."""
    known = assets()
    asset = known.files.get(request.match_info["file"])
    if asset is None or request.match_info["digest"] != known.digest:
        raise RouteNotFound
    return _answer(request, asset, {hdrs.CACHE_CONTROL: FOREVER, hdrs.VARY: "Accept-Encoding"})


async def without_slash(request: web.Request) -> web.Response:
    """GET /console: leads to /console/."""
    return web.Response(status=308, headers={hdrs.LOCATION: f"{public_url(request)}/console/", **SAFE})


async def show_config(request: web.Request) -> web.Response:
    """GET /console/config: what the console must know of this server before anyone signs in."""
    return json_response(config_of(request), headers={hdrs.CACHE_CONTROL: ASK_AGAIN})


async def show_authority(request: web.Request) -> web.Response:
    """GET /console/ca.pem: the certificate authority to trust, if the server made its own certificate."""
    authority = services(request).authority
    if authority is None:
        raise RouteNotFound
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="ca.pem"', hdrs.CACHE_CONTROL: ASK_AGAIN}
    return web.Response(text=authority, content_type="application/x-pem-file", headers=headers)


def language_of(accepted: str) -> str:
    """Return the language of the console that suits *accepted*, the value of Accept-Language.

    Source: RFC 9110, "Accept-Language"; the order that browsers write stands for the weights.
    """
    for part in accepted.split(",")[:16]:
        wanted = part.partition(";")[0].strip().lower()
        for language in LANGUAGES:
            if wanted.partition("-")[0] == language.lower().partition("-")[0]:
                return language
    return LANGUAGES[0]


def _filled(base: str, language: str, config: Mapping[str, object]) -> str:
    known = assets()
    values = {
        "language": language,
        "files": f"{base}/console/{known.digest}",
        "config": _data({**config, "base": base, "files": f"{base}/console/{known.digest}"}),
        "texts": known.texts(language).replace("<", "\\u003c"),
    }
    filled = PAGE
    for name, value in values.items():
        filled = filled.replace(f"{{{{{name}}}}}", value)
    return filled


def _data(document: Mapping[str, object]) -> str:
    """Return *document* as JSON that no HTML parser takes for the end of its element."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _answer(request: web.Request, asset: Asset, headers: Mapping[str, str]) -> web.Response:
    tag = f'"{hashlib.sha256(asset.body).hexdigest()[:32]}"'
    sent = {**SAFE, **headers, hdrs.ETAG: tag}
    if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=sent)
    sent[hdrs.CONTENT_TYPE] = f"{asset.media_type}; charset=utf-8"
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=asset.packed, headers={**sent, hdrs.CONTENT_ENCODING: "gzip"})
    return web.Response(body=asset.body, headers=sent)


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/console", without_slash)
    router.add_get("/console/config", show_config)
    router.add_get("/console/ca.pem", show_authority)
    router.add_get("/console/{digest:[0-9a-f]{16}}/{file:.+}", file)
    router.add_get("/console/{page:.*}", page)
