"""Which IP addresses a user's URL must not lead to: private, loopback, link-local, metadata, or hiding such a one.

What is left is public; of IPv6 only 2000::/3, the part that is given out. `ipaddress` answers differently in each
version of Python, so the networks stand here.

Source: the IANA registries "IPv4 Special-Purpose Address Space" and "IPv6 Special-Purpose Address Space"; RFC 4291,
3056, 4380, 6052, 8215 and 5214 for what hides an IPv4 address.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # most clouds, OpenStack among them
            "169.254.170.2",  # AWS, credentials of containers
            "169.254.170.23",  # AWS, credentials of pods
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure; a public address
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, credentials of pods
            "fd20:ce::254",  # Google
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)
"""Where clouds give their machines credentials."""

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("unspecified", ("0.0.0.0/8", "::/128")),
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")),
    ("shared (RFC 6598)", ("100.64.0.0/10",)),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
    ("benchmarking", ("198.18.0.0/15", "2001:2::/48")),
    ("documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")),
    ("IPv4-mapped", ("::ffff:0:0/96", "::ffff:0:0:0/96")),
    ("IPv4-compatible", ("::/96",)),
    ("6to4", ("2002::/16", "192.88.99.0/24")),
    ("Teredo", ("2001::/32",)),
    ("NAT64", ("64:ff9b::/96", "64:ff9b:1::/48")),
    ("reserved", ("192.0.0.0/24", "240.0.0.0/4", "2001::/23")),
)
"""Kinds of addresses that are not public, and their networks. The first that fits counts."""
NETWORKS = tuple((kind, tuple(map(ip_network, texts))) for kind, texts in KINDS)
GIVEN_OUT = IPv6Network("2000::/3")

LOW_32 = 0xFFFFFFFF
ISATAP = (0x00005EFE, 0x02005EFE)
"""The third quarter of an ISATAP address; the last one is an IPv4 address."""


def kind_of(address: Address) -> str | None:
    """Return why *address* is not public, in one word, or None if it is. What it hides does not count."""
    for kind, networks in NETWORKS:
        if any(address in network for network in networks):
            return kind
    if isinstance(address, IPv6Address) and address not in GIVEN_OUT:
        return "reserved"
    return None


def hidden_in(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that something on the way may make of *address*."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    last = IPv4Address(number & LOW_32)
    kind = kind_of(address)
    if kind in ("IPv4-mapped", "IPv4-compatible", "NAT64") or (number >> 32) & LOW_32 in ISATAP:
        yield last
    if kind == "6to4":
        yield IPv4Address((number >> 80) & LOW_32)
    if kind == "Teredo":
        yield IPv4Address((number >> 64) & LOW_32)  # the server
        yield IPv4Address(~number & LOW_32)  # the client


def parsed(text: str) -> Address | None:
    """Return the address that *text* is, or None. IPv4 addresses are four decimal numbers and nothing else."""
    try:
        return ip_address(text)
    except ValueError:
        return None
