"""The server's URL as clients see it, for absolute links: also behind a proxy and below a path.

Headers that tell of a client are believed from the addresses in ``trusted_proxies`` alone, and only those of the family
that the proxy writes: whatever it does not write came through it from the client. Of the family, only the last entry is
the proxy's own; what stands before it a client may have made up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from stillage.errors import InvalidInput

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,254}))(?::([0-9]{1,5}))?")
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
# With a port, as some proxies write it; IPv6 without brackets only without one.
NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)")
PAIR = re.compile(r"(?:^|;)[ \t]*([A-Za-z]+)=(?:\"([^\"\\]*)\"|([^\",;\s]*))")


class Addresses:
    """A deployment's view of its own URL."""

    def __init__(
        self,
        public_url: str | None,
        trusted: Sequence[IPv4Network | IPv6Network] = (),
        proxy_headers: str = "x-forwarded",
    ) -> None:
        """Make it.

        Args:
            public_url: What clients use, without a slash at its end; None to take each request's own.
            trusted: Addresses of proxies.
            proxy_headers: The family of headers that they write, one of `FAMILIES`.
        """
        self._public_url = public_url
        self._trusted = trusted
        self._read = FAMILIES[proxy_headers]

    @property
    def prefix(self) -> str:
        """The path of the public URL, below which a proxy may leave its requests; empty where there is none."""
        return urlsplit(self._public_url or "").path

    def base(self, request: web.Request) -> str:
        """Return the URL that absolute links of the answer to *request* begin with."""
        if self._public_url is not None:
            return self._public_url
        told = self._told(request)
        scheme, host = told.get("proto", request.scheme), told.get("host", request.host)
        return f"{scheme}://{host}{told.get('prefix', '')}"

    def require_host(self, request: web.Request) -> None:
        """Check that the request names one host, which links and signatures are made with.

        Raises:
            InvalidInput: If ``Host`` is missing, there twice or malformed, or the proxy's word for it is malformed.
        """
        hosts = request.headers.getall(hdrs.HOST, ())
        if not hosts and request.version < (1, 1):
            return  # how some load balancers look whether we are well
        if len(hosts) != 1:
            raise InvalidInput(f"the request has {len(hosts)} Host headers; send one")
        forwarded = self._read(request).get("host") if self._is_trusted(request) else None
        for name, host in (("Host", hosts[0]), ("the host that the proxy names", forwarded)):
            if host is not None and not is_host(host):
                raise InvalidInput(f"{name} is not a valid host name or address with an optional port: {host[:64]!r}")

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
        told = self._told(request)
        prefix = told.get("prefix", self.prefix)
        path = target.partition("?")[0]
        below = path == prefix or path.startswith(f"{prefix}/")
        return told.get("host"), target if below else f"{prefix}{target}"

    def client(self, request: web.Request) -> str | None:
        """Return the address of the client itself, for the log and for limits on logins."""
        return self._told(request).get("for", request.remote)

    def _told(self, request: web.Request) -> Mapping[str, str]:
        """The nearest proxy's values, without those that are not valid in a URL or as an address."""
        if not self._is_trusted(request):
            return {}
        told = {name: SHAPES[name](value) for name, value in self._read(request).items() if name in SHAPES}
        return {name: value for name, value in told.items() if value is not None}

    def _is_trusted(self, request: web.Request) -> bool:
        if not self._trusted or request.remote is None:
            return False
        address = ip_address(request.remote.partition("%")[0])
        return any(address in network for network in self._trusted)


def is_host(text: str) -> bool:
    """True for ``host``, ``host:port`` and the same with an address: what may stand between a URL's slashes."""
    match = HOST.fullmatch(text)
    if match is None or (match[3] is not None and not 1 <= int(match[3]) <= 65535):
        return False
    if match[1] is not None:
        return _is_address(IPv6Address, match[1])
    name = match[2].removesuffix(".")
    if NAME.fullmatch(name) is None or len(name) > 253:
        return False
    # Resolvers take a name that ends in a number for an address, so it must be one.
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
        # Proxies append to the last line, or add a line.
        if lines and (value := lines[-1].rpartition(",")[2].strip()):
            told[name] = value.rstrip("/") if name == "prefix" else value
    return told


def _forwarded(request: web.Request) -> Mapping[str, str]:
    """Source: RFC 7239. An element with a parameter twice says nothing."""
    lines = request.headers.getall(hdrs.FORWARDED, ())
    pairs = PAIR.findall(_last_element(lines[-1]).strip()) if lines else []
    told = {name.lower(): quoted or bare for name, quoted, bare in pairs}
    return told if len(told) == len(pairs) else {}


def _last_element(line: str) -> str:
    """Return what follows the last comma that is not quoted, read from the end: a client's quotes must not hide it."""
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
