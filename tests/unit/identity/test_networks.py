import pytest

from stillage.identity.networks import UNKNOWN, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:ffff::6]:4711", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("x" * 999, "x" * 64),
        ("1.2.3", "1.2.3"),
        (":::", ":::"),
    ],
)
def test_whoever_has_an_ipv6_address_has_a_network_of_them(address: str | None, network: str) -> None:
    assert network_of(address) == network


def test_a_neighbour_is_another_network() -> None:
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8:0:2::1")
