"""The server's public URL, for absolute links, and the addresses of clients: also behind a proxy and below a path.

Forwarding headers are believed only from the addresses in ``trusted_proxies``, and only those of the family that the
proxy writes: any others came through it from the client. Within the family, only the last entry is the proxy's own;
earlier entries may be forged by the client.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from stillage.errors import InvalidInput

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,254}))(?::([0-9]{1,5}))?")
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
# An address, with a port as some proxies write it; IPv6 without brackets has no port.
NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)")
PAIR = re.compile(r"(?:^|;)[ \t]*([A-Za-z]+)=(?:\"([^\"\\]*)\"|([^\",;\s]*))")


class Addresses:
    """The deployment's public URL and its trusted proxies."""

    def __init__(
        self,
        public_url: str | None,
        trusted: Sequence[IPv4Network | IPv6Network] = (),
        proxy_headers: str = "x-forwarded",
    ) -> None:
        """Take the settings of the deployment.

        Args:
            public_url: The URL that clients use, without a trailing slash; None to derive it from each request.
            trusted: Addresses of proxies.
            proxy_headers: The family of headers that the proxies write, one of `FAMILIES`.
        """
        self._public_url = public_url
        self._trusted = trusted
        self._read = FAMILIES[proxy_headers]

    @property
    def prefix(self) -> str:
        """The path of the public URL, which a proxy may leave on its requests; empty if the URL has none."""
        return urlsplit(self._public_url or "").path

    def base(self, request: web.Request) -> str:
        """Return the base URL of absolute links in the answer to *request*."""
        if self._public_url is not None:
            return self._public_url
        told = self._told(request)
        scheme, host = told.get("proto", request.scheme), told.get("host", request.host)
        return f"{scheme}://{host}{told.get('prefix', '')}"

    def require_host(self, request: web.Request) -> None:
        """Check that the request names exactly one host, which links and signatures use.

        Raises:
            InvalidInput: If ``Host`` is missing, repeated or malformed, or the proxy's header for it is malformed.
        """
        hosts = request.headers.getall(hdrs.HOST, ())
        if not hosts and request.version < (1, 1):
            return  # some load balancers check our health like this
        if len(hosts) != 1:
            raise InvalidInput(f"the request has {len(hosts)} Host headers; send one")
        forwarded = self._read(request).get("host") if self._is_trusted(request) else None
        for name, host in (("Host", hosts[0]), ("the host that the proxy names", forwarded)):
            if host is not None and not is_host(host):
                raise InvalidInput(f"{name} is not a valid host name or address with an optional port: {host[:64]!r}")

    def as_sent(self, request: web.Request, target: str) -> tuple[str | None, str]:
        """Return host and request target as the client sent them, which a proxy may have changed.

        Args:
            request: As received.
            target: As received.

        Returns:
            The host is None if it is that of ``Host``.
        """
        if not self._is_trusted(request):
            return None, target
        told = self._told(request)
        prefix = told.get("prefix", self.prefix)
        path = target.partition("?")[0]
        below = path == prefix or path.startswith(f"{prefix}/")
        return told.get("host"), target if below else f"{prefix}{target}"

    def client(self, request: web.Request) -> str | None:
        """Return the address of the client, not of a proxy, for the log and for limits on logins."""
        return self._told(request).get("for", request.remote)

    def _told(self, request: web.Request) -> Mapping[str, str]:
        """Return the values set by the nearest proxy, without those that are not valid in a URL or as an address."""
        if not self._is_trusted(request):
            return {}
        told = {name: SHAPES[name](value) for name, value in self._read(request).items() if name in SHAPES}
        return {name: value for name, value in told.items() if value is not None}

    def _is_trusted(self, request: web.Request) -> bool:
        if not self._trusted or request.remote is None:
            return False
        address = ip_address(request.remote.partition("%")[0])
        return any(address in network for network in self._trusted)


@lru_cache(256)
def is_host(text: str) -> bool:
    """True for ``host``, ``host:port`` and the same with an address: a valid authority of a URL."""
    match = HOST.fullmatch(text)
    if match is None or (match[3] is not None and not 1 <= int(match[3]) <= 65535):
        return False
    if match[1] is not None:
        return _is_address(IPv6Address, match[1])
    name = match[2].removesuffix(".")
    if NAME.fullmatch(name) is None or len(name) > 253:
        return False
    # Resolvers treat a name that ends in a number as an address, so it must be one.
    return not name.rpartition(".")[2].isdigit() or _is_address(IPv4Address, name)


def _is_address(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _client(text: str) -> str | None:
    match = NODE.fullmatch(text)
    address = next(filter(None, match.groups()), "") if match is not None else ""
    return str(ip_address(address)) if _is_address(ip_address, address) else None


def _x_forwarded(request: web.Request) -> Mapping[str, str]:
    told = {}
    for name in ("proto", "host", "prefix", "for"):
        lines = request.headers.getall(f"X-Forwarded-{name}", ())
        # Proxies append to the last line or add a line.
        if lines and (value := lines[-1].rpartition(",")[2].strip()):
            told[name] = value.rstrip("/") if name == "prefix" else value
    return told


def _forwarded(request: web.Request) -> Mapping[str, str]:
    """Source: RFC 7239. An element that repeats a parameter is ignored."""
    lines = request.headers.getall(hdrs.FORWARDED, ())
    pairs = PAIR.findall(_last_element(lines[-1]).strip()) if lines else []
    told = {name.lower(): quoted or bare for name, quoted, bare in pairs}
    return told if len(told) == len(pairs) else {}


def _last_element(line: str) -> str:
    """Return the part after the last unquoted comma, read from the end: a client's quotes must not hide it."""
    quoted = False
    for at in range(len(line) - 1, -1, -1):
        if line[at] == '"':
            quoted = not quoted
        elif line[at] == "," and not quoted:
            return line[at + 1 :]
    return line


FAMILIES: Mapping[str, Callable[[web.Request], Mapping[str, str]]] = {
    "x-forwarded": _x_forwarded,
    "forwarded": _forwarded,
}
SHAPES: Mapping[str, Callable[[str], str | None]] = {
    "proto": lambda text: text if text in ("http", "https") else None,
    "host": lambda text: text if is_host(text) else None,
    "prefix": lambda text: text if PREFIX.fullmatch(text) else None,
    "for": _client,
}
