from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.outgoing.addresses import METADATA, hidden_in, kind_of, parsed

KINDS = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.255.255": "private",
    "fc00::1": "private",
    "fdff::1": "private",
    "fec0::1": "private",
    "100.64.0.1": "shared (RFC 6598)",
    "100.127.255.255": "shared (RFC 6598)",
    "169.254.1.1": "link-local",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "2001:2::1": "benchmarking",
    "192.0.2.1": "documentation",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:8.8.8.8": "IPv4-mapped",
    "::8.8.8.8": "IPv4-compatible",
    "2002:808:808::1": "6to4",
    "192.88.99.1": "6to4",
    "2001::1": "Teredo",
    "64:ff9b::8.8.8.8": "NAT64",
    "64:ff9b:1::8.8.8.8": "NAT64",
    "192.0.0.8": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "2001:10::1": "reserved",
    "100::1": "reserved",
    "1::1": "reserved",
    "4000::1": "reserved",
    "5f00::1": "reserved",
}
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "2a00:1450::1"]


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_what_is_not_public_has_a_kind(text: str, kind: str) -> None:
    assert kind_of(ip_address(text)) == kind


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_has_none(text: str) -> None:
    assert kind_of(ip_address(text)) is None


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_never_public(address: IPv4Address) -> None:
    if kind_of(address) is None:
        assert address.is_global
        assert not any([address.is_multicast, address.is_reserved, address.is_loopback, address.is_link_local])


@given(st.ip_addresses(v=6) | st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(IPv6Address))
def test_what_python_calls_private_is_never_public_in_ipv6_either(address: IPv6Address) -> None:
    if kind_of(address) is None:
        assert address.is_global
        assert not any([address.is_multicast, address.is_reserved, address.is_site_local])
        assert (address.ipv4_mapped, address.sixtofour, address.teredo) == (None, None, None)


@given(st.ip_addresses(v=4))
def test_an_address_is_found_in_whatever_hides_it(address: IPv4Address) -> None:
    number = int(address)
    hiding = (
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(f"64:ff9b::{address}"),
        IPv6Address(f"64:ff9b:1:2::{address}"),
        IPv6Address((0x2002 << 112) + (number << 80) + 1),
        IPv6Address(f"2a00:1450::5efe:{address}"),
        IPv6Address(f"2a00:1450::200:5efe:{address}"),
        IPv6Address((0x20010000 << 96) + (0x08080808 << 64) + (number ^ 0xFFFFFFFF)),
        IPv6Address((0x20010000 << 96) + (number << 64)),
    )
    for outer in hiding:
        assert address in set(hidden_in(outer)), outer


def test_the_metadata_addresses_of_clouds_are_known() -> None:
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "fd20:ce::254"):
        assert ip_address(text) in METADATA


@pytest.mark.parametrize("text", ["127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "127.0.0.1.", "localhost", ""])
def test_only_the_usual_way_to_write_an_address_is_one(text: str) -> None:
    assert parsed(text) is None
