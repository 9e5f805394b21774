"""The cookie of a session of the console: how a browser is known to every API.

Source: RFC 6265bis, "Cookie Name Prefixes"; W3C, "Fetch Metadata Request Headers", ``Sec-Fetch-Site``.
"""

from ipaddress import ip_address
from typing import NamedTuple

from aiohttp import hdrs, web
from yarl import URL

from stillage.accounts.session import LIFETIME, Session
from stillage.api.services import public_url, services
from stillage.errors import CrossSite, HttpsNeeded, Unauthenticated

SECURE, PLAIN = "__Host-stillage", "stillage"
"""The name with HTTPS, which no other host and no page over plain HTTP can set, and that without."""
SITE = "Sec-Fetch-Site"
SAFE = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)


class Cookie(NamedTuple):
    """The cookie of one request. *text*: the session's secret; empty without a cookie."""

    name: str
    text: str


def cookie_of(request: web.Request) -> Cookie:
    name = SECURE if URL(public_url(request)).scheme == "https" else PLAIN
    return Cookie(name, request.cookies.get(name, ""))


async def session_of(request: web.Request) -> Session:
    """Return the session of the browser that sent *request*.

    Raises:
        Unauthenticated: If there is none, or the deployment has no console.
        CrossSite: If another site's page had the browser send a request that can change something.
    """
    sessions, text = services(request).sessions, cookie_of(request).text
    if sessions is None or not text:
        raise Unauthenticated
    if request.method not in SAFE and not _is_same_origin(request):
        raise CrossSite
    return await sessions.find(text)


def require_own_page(request: web.Request) -> None:
    """Raise CrossSite if a browser sent *request* for a page of another site. Other clients send neither header."""
    if (SITE in request.headers or hdrs.ORIGIN in request.headers) and not _is_same_origin(request):
        raise CrossSite


def require_safe_transport(request: web.Request) -> None:
    """Raise HttpsNeeded unless the cookie travels encrypted, or does not leave the browser's machine."""
    url = URL(public_url(request))
    if url.scheme != "https" and not _is_loopback(url.host or ""):
        raise HttpsNeeded


def set_cookie(request: web.Request, response: web.Response, text: str) -> None:
    """Give the browser the session; with an empty *text* take it away."""
    name = cookie_of(request).name
    response.set_cookie(
        name,
        text,
        max_age=int(LIFETIME.total_seconds()) if text else 0,
        path="/",
        secure=name == SECURE,
        httponly=True,
        samesite="Strict",
    )


def _is_same_origin(request: web.Request) -> bool:
    if (site := request.headers.get(SITE)) is not None:
        return site == "same-origin"
    try:
        return _origin(request.headers.get(hdrs.ORIGIN, "")) == _origin(public_url(request))
    except ValueError:
        return False


def _origin(text: str) -> tuple[str, str | None, int | None]:
    url = URL(text)
    return url.scheme, url.host, url.port


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
