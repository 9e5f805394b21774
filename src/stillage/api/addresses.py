"""Where clients believe to be talking to: our URL for absolute links, also behind a proxy and below a path.

``Forwarded`` (RFC 7239) and ``X-Forwarded-*`` are believed from the addresses in ``trusted_proxies`` alone; from
anybody else they are only text.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp import web

HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class Addresses:
    """A deployment's view of its own URL."""

    def __init__(self, public_url: str | None, trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """*public_url*: what clients use, without a slash at its end; None to take each request's own."""
        self._public_url = public_url
        self._trusted = trusted

    @property
    def prefix(self) -> str:
        """The path of the public URL, below which a proxy may leave its requests; empty where there is none."""
        return urlsplit(self._public_url or "").path

    def base(self, request: web.Request) -> str:
        """Return the URL that absolute links of the answer to *request* begin with."""
        if self._public_url is not None:
            return self._public_url
        scheme, host, prefix = request.scheme, request.host, ""
        if self._is_trusted(request):
            said = _forwarded(request)
            scheme = said.get("proto", scheme)
            host = said.get("host", host)
            prefix = said.get("prefix", prefix)
        return f"{scheme}://{host}{prefix}"

    def as_sent(self, request: web.Request, target: str) -> tuple[str | None, str]:
        """Return the host and the target of the request line that the client wrote, which a proxy may have changed.

        Args:
            request: As it came to us.
            target: As it came to us.

        Returns:
            The host is None where it is that of ``Host``.
        """
        if not self._is_trusted(request):
            return None, target
        said = _forwarded(request)
        prefix = said.get("prefix", self.prefix)
        path = target.partition("?")[0]
        below = path == prefix or path.startswith(f"{prefix}/")
        return said.get("host"), target if below else f"{prefix}{target}"

    def client(self, request: web.Request) -> str | None:
        """Return the address of the client itself, for the log."""
        if self._is_trusted(request):
            return _forwarded(request).get("for", request.remote)
        return request.remote

    def _is_trusted(self, request: web.Request) -> bool:
        if not self._trusted or request.remote is None:
            return False
        address = ip_address(request.remote.partition("%")[0])
        return any(address in network for network in self._trusted)


def _forwarded(request: web.Request) -> dict[str, str]:
    """What the nearest proxy says; only values that can be a part of a URL."""
    said = {
        "proto": request.headers.get("X-Forwarded-Proto", ""),
        "host": request.headers.get("X-Forwarded-Host", ""),
        "prefix": request.headers.get("X-Forwarded-Prefix", "").rstrip("/"),
        "for": request.headers.get("X-Forwarded-For", ""),
    }
    # Proxies append, so the last entry is the one that our neighbour wrote.
    said = {name: value.rpartition(",")[2].strip() for name, value in said.items()}
    for name, value in request.forwarded[-1].items() if request.forwarded else ():
        said[name] = value
    shapes = {"proto": re.compile("https?"), "host": HOST, "prefix": PREFIX, "for": re.compile(r"[0-9A-Fa-f.:\[\]]+")}
    return {name: value for name, value in said.items() if value and name in shapes and shapes[name].fullmatch(value)}
