"""Which URLs, hosts, ports and addresses an import may lead to: public ones on ports 80 and 443, unless allowed.

A URL is checked before anything is asked (`Destinations.require`), each redirect again, and every address that a host
name resolves to once more before a connection is made to it (`Destinations.why_not`). One parser decides: what is
checked is what is asked, and texts that parsers read in different ways are refused.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from yarl import URL

from stillage.errors import SourceForbidden
from stillage.outgoing.addresses import METADATA, Address, Network, hidden_in, kind_of, parsed

LONGEST_URL = 4096
PORTS = frozenset({80, 443})
SCHEMES = ("http", "https")
UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(:[0-9]{0,5})?")
NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that programs take for a part of an IPv4 address. Source: WHATWG URL, "ends in a number"."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is allowed and denied.

    Attributes:
        hosts: The only hosts that may be named: ``mirror.example.net``, ``*.example.net`` or an address. Any if empty.
        denied_hosts: Hosts that may not; they come first.
        networks: Not public, and allowed nevertheless. Addresses of metadata services stay forbidden.
        denied_networks: Public, and forbidden; they come first.
        ports: The only ports that may be asked.
    """

    hosts: Collection[str] = ()
    denied_hosts: Collection[str] = ()
    networks: Collection[Network] = ()
    denied_networks: Collection[Network] = ()
    ports: Collection[int] = PORTS

    def require(self, text: str) -> URL:
        """Return the URL *text*, in one form and without its fragment.

        Raises:
            SourceForbidden: If it is no URL, or leads where no import may lead. Host names are resolved only later.
        """
        url = _parsed(text)
        reason = self._why_not_named(url)
        if reason:
            raise SourceForbidden(shown(url), reason)
        return url

    def why_not(self, address: Address) -> str | None:
        """Return why no connection may go to *address*, as a kind of address; None if one may."""
        if getattr(address, "scope_id", None) is not None:
            return "zoned"
        return next((why for one in (address, *hidden_in(address)) if (why := self._why_not(one))), None)

    def _why_not(self, address: Address) -> str | None:
        if address in METADATA:
            return "metadata"
        if _is_in(address, self.denied_networks):
            return "denied"
        return None if _is_in(address, self.networks) else kind_of(address)

    def _why_not_named(self, url: URL) -> str | None:
        host = url.raw_host or ""
        if url.port not in self.ports:
            return f"port {url.port} is not allowed"
        if any(_fits(host, pattern) for pattern in self.denied_hosts):
            return "this host is denied"
        if self.hosts and not any(_fits(host, pattern) for pattern in self.hosts):
            return "this host is not among those that are allowed"
        address = parsed(host)
        kind = None if address is None else self.why_not(address)
        return f"its address is not public ({kind})" if kind else None


def shown(url: URL | str) -> str:
    """Return *url* for people: without query and user, which may be secret, and not too long."""
    try:
        plain = URL(url).with_query(None).with_fragment(None).with_user(None)
    except ValueError:
        return "this URL"
    return str(plain)[:200]


def _parsed(text: str) -> URL:
    if len(text) > LONGEST_URL:
        raise SourceForbidden("this URL", f"it has more than {LONGEST_URL} characters")
    if UNSAFE.search(text):
        raise SourceForbidden("this URL", "it has spaces, backslashes or control characters")
    try:
        network_part = urlsplit(text).netloc
        url = URL(text, encoded=text.isascii())  # what is encoded stays as it is: signatures of URLs depend on it
        host = (url.raw_host or "").lower()
    except ValueError:
        raise SourceForbidden("this URL", "it cannot be parsed") from None
    if url.scheme not in SCHEMES:
        raise SourceForbidden(shown(url), "only http and https are supported")
    if "@" in network_part:
        raise SourceForbidden(shown(url), "it has a user or password")
    if reason := _why_no_host(host, network_part):
        raise SourceForbidden(shown(url), reason)
    return url.with_host(host.removesuffix(".")).with_fragment(None)


def _why_no_host(host: str, network_part: str) -> str | None:
    """Return why *host* is not what everybody takes for the same host."""
    if not host:
        return "it names no host"
    if "%" in network_part or not AUTHORITY.fullmatch(network_part):
        return "its host has an escape, a zone, or something that is no port behind it"
    name = host.removesuffix(".")
    if parsed(host) is None and (len(name) > 253 or not NAME.fullmatch(name)):
        return "its host is not a name"
    if parsed(host) is None and NUMBER.fullmatch(name.rpartition(".")[2]):
        return "an IPv4 address must be four decimal numbers"
    return None


def _fits(host: str, pattern: str) -> bool:
    pattern = pattern.lower()
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    address = parsed(pattern.strip("[]"))
    return host == pattern if address is None else parsed(host) == address


def _is_in(address: Address, networks: Collection[Network]) -> bool:
    return any(address in network for network in networks)
