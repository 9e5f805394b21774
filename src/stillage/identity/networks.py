"""The network that a client's address is counted under: a client with one IPv6 address has at least 2**64 of them."""

from ipaddress import IPv6Address, ip_address, ip_network

UNKNOWN = "unknown"
IPV6_PREFIX = 64
LONGEST = 64  # of what is no address


def network_of(address: str | None) -> str:
    """Return the network of *address*: an IPv4 address itself, the /64 of an IPv6 one.

    Ports, brackets and zones, which proxies and sockets add, do not count. What is no address is taken as it is.
    """
    text = (address or UNKNOWN).strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return text[:LONGEST]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))
