"""Connections to hosts that users name: to addresses that were checked, and over TLS that is verified for the name.

A host name is resolved once for each connection, and the connection goes to what was checked then, so a name that
resolves to something else a moment later leads nowhere. If one address of a name is forbidden, the name is: who mixes
them is up to something. Every socket is checked once more before it connects, which covers URLs with addresses in them.

With a proxy all connections go to the proxy. It resolves the names, so only it can check where they lead.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

from aiohttp import AddrInfoType, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from stillage import __version__
from stillage.errors import BadSettings, SourceForbidden
from stillage.outgoing.destinations import Destinations

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, as texts. Raises OSError."""

Trust = ssl.SSLContext | bool
"""Whose certificates are good. True: whom the machine trusts; aiohttp has read them, and reading takes long."""

HEADERS = {"User-Agent": f"stillage/{__version__} (image import)", "Accept": "*/*", "Accept-Encoding": "identity"}
READ_BYTES = 1 << 20
MAX_LINE = 8190
MAX_FIELDS = 100
NAMES_AT_ONCE = 4


class SystemLookup:
    """Resolves names as the machine does, in threads of its own: slow names must not hold up anybody else's threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _resolve, host, port)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in found]


def session(
    destinations: Destinations, lookup: Lookup, *, timeout_s: float, trust: Trust, through_proxy: bool
) -> ClientSession:
    """Return a session that connects to nothing but what *destinations* allow; through a proxy, to anything.

    Args:
        destinations: Where connections may go.
        lookup: How names are resolved.
        timeout_s: The longest wait for a connection, and for the next bytes.
        trust: Whose certificates are good.
        through_proxy: All requests go to a proxy that the settings name.
    """
    connector = TCPConnector(
        ssl=trust,
        limit=0,
        use_dns_cache=False,
        resolver=None if through_proxy else CheckedResolver(destinations, lookup),
        socket_factory=None if through_proxy else CheckedSockets(destinations),
    )
    return ClientSession(
        connector=connector,
        timeout=ClientTimeout(total=None, connect=timeout_s, sock_read=timeout_s),
        cookie_jar=DummyCookieJar(),
        headers=HEADERS,
        auto_decompress=False,
        trust_env=False,
        read_bufsize=READ_BYTES,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        max_headers=MAX_FIELDS,
    )


def trusting(authority: Path | None) -> Trust:
    """Return what trusts whom the machine trusts, and *authority*.

    Raises:
        BadSettings: If it cannot be used.
    """
    if authority is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"cannot use the certificates in {authority}: {error}") from error
    return context


class CheckedResolver(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is not allowed."""

    def __init__(self, destinations: Destinations, lookup: Lookup) -> None:
        self._destinations = destinations
        self._lookup = lookup

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp passes it
    ) -> list[ResolveResult]:
        """Return the addresses of *host*.

        Raises:
            SourceForbidden: If one of them is not allowed. It does not say which: that is nobody's business.
            OSError: If there is none.
        """
        addresses = [ip_address(text) for text in await self._lookup(host, port)]
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            if why := self._destinations.why_not(address):
                raise SourceForbidden(host, f"it leads to an address that is not public ({why})")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in dict.fromkeys(addresses)
        ]

    async def close(self) -> None:
        """Nothing is open."""


class CheckedSockets:
    """Makes the socket of a connection, unless its address is not allowed."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    def __call__(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if why := self._destinations.why_not(ip_address(str(address[0]))):
            raise PermissionError(f"the address is not public ({why})")
        return socket.socket(family, kind, protocol)
