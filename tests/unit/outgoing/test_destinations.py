from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.errors import SourceForbidden
from stillage.outgoing.addresses import METADATA, kind_of
from stillage.outgoing.destinations import Destinations, shown

DEFAULT = Destinations()
ALLOWED = {
    "http://example.net": "http://example.net",
    "https://example.net/a%7Eb?x=%2f&y=a+b": "https://example.net/a%7Eb?x=%2f&y=a+b",
    "HTTP://EXAMPLE.net.:80/x#part": "http://example.net/x",
    "https://example.net:443/": "https://example.net/",
    "http://example.net:443/": "http://example.net:443/",
    "http://bücher.example/": "http://xn--bcher-kva.example/",
    "http://8.8.8.8/": "http://8.8.8.8/",
    "http://[2001:4860:4860::8888]/": "http://[2001:4860:4860::8888]/",
    "http://example.net/?u=http://user@127.0.0.1/": "http://example.net/?u=http://user@127.0.0.1/",
}
REFUSED = {
    "file:///etc/passwd": "only http and https",
    "ftp://example.net/": "only http and https",
    "gopher://example.net/": "only http and https",
    "//example.net/": "only http and https",
    "example.net": "only http and https",
    "http:///path": "no host",
    "http:example.net": "no host",
    "http://user@example.net/": "user or password",
    "http://user:secret@example.net/": "user or password",
    "http://@example.net/": "user or password",
    "http://example.net:80@127.0.0.1/": "user or password",
    "http://example.net\\@127.0.0.1/": "backslashes",
    "http://example.net/a b": "spaces",
    "http://example.net/\r\nX: y": "control",
    "http://exam\tple.net/": "control",
    "http://example.net:22/": "port 22",
    "http://example.net:0/": "port 0",
    "http://example.net:65536/": "cannot be parsed",
    "http://example.net:+80/": "no port",
    "http://example.net:\u0668\u0660/": "no port",
    "http://[::1/": "cannot be parsed",
    "http://[v1.x]/": "no port",
    "http://[fe80::1%25eth0]/": "zone",
    "http://[fe80::1%eth0]/": "zone",
    "http://%31%32%37.0.0.1/": "escape",
    "http://a..b/": "not a name",
    "http://-a.example/": "not a name",
    "http://exa_mple!.net/": "not a name",
    "http://127.1/": "four decimal",
    "http://127.0.1/": "four decimal",
    "http://2130706433/": "four decimal",
    "http://0x7f000001/": "four decimal",
    "http://0x7f.0x0.0x0.0x1/": "four decimal",
    "http://0177.0.0.1/": "four decimal",
    "http://017700000001/": "four decimal",
    "http://0/": "four decimal",
    "http://127.0.0.1./": "four decimal",
    "http://256.256.256.256/": "four decimal",
    "http://example.1/": "four decimal",
    "http://\uff11\uff12\uff17.0.0.1/": "not public (loopback)",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/": "not public (loopback)",
    "http://127\u30020\u30020\u30021/": "not public (loopback)",
    "http://127.0.0.1?@example.net/": "not public (loopback)",
    "http://[::ffff:7f00:1]/": "not public (IPv4-mapped)",
    "http://[::FFFF:127.0.0.1]/": "not public (IPv4-mapped)",
    "http://[64:ff9b::7f00:1]/": "not public (NAT64)",
    "http://169.254.169.254/": "not public (metadata)",
    f"http://example.net/{'a' * 4096}": "more than 4096",
    f"http://{'a.' * 130}example/": "not a name",
}


@pytest.mark.parametrize(("text", "url"), ALLOWED.items())
def test_a_public_url_is_taken_in_one_form(text: str, url: str) -> None:
    assert str(DEFAULT.require(text)) == url


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_any_other_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(SourceForbidden) as refused:
        DEFAULT.require(text)
    assert why in str(refused.value)


@given(st.text(max_size=60) | st.text(max_size=40).map("http://{}".format))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        url = DEFAULT.require(text)
    except SourceForbidden:
        return
    assert url.scheme in ("http", "https")
    assert url.port in (80, 443)
    assert DEFAULT.require(str(url)) == url


def test_an_error_shows_no_secrets() -> None:
    with pytest.raises(SourceForbidden) as refused:
        DEFAULT.require("http://me:password@example.net/x?signature=secret")
    assert "password@" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert shown("http://me:pw@example.net/x?signature=secret#y") == "http://example.net/x"


def test_hosts_are_allowed_by_name_pattern_or_address() -> None:
    limited = Destinations(hosts=["mirror.example.net", "*.Example.org", "[2a00::1]"])
    for url in ("http://MIRROR.example.net./", "http://a.b.example.org/", "http://[2a00:0::1]/"):
        limited.require(url)
    for url in ("http://example.org/", "http://notexample.org/", "http://x.mirror.example.net/", "http://[2a00::2]/"):
        with pytest.raises(SourceForbidden, match="not among"):
            limited.require(url)


def test_a_denied_host_is_denied_though_it_is_allowed() -> None:
    denying = Destinations(hosts=["*.example.net"], denied_hosts=["*.lab.example.net", "8.8.8.8"])
    denying.require("http://a.example.net/")
    with pytest.raises(SourceForbidden, match="denied"):
        denying.require("http://a.lab.example.net/")


def test_networks_are_allowed_and_denied() -> None:
    inside = Destinations(
        networks=[ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8")],
        denied_networks=[ip_network("10.1.2.0/24"), ip_network("8.8.0.0/16")],
        ports=[8080],
    )
    inside.require("http://10.1.1.1:8080/")
    assert inside.why_not(ip_address("10.1.2.1")) == "denied"
    assert inside.why_not(ip_address("8.8.8.8")) == "denied"
    assert inside.why_not(ip_address("10.2.0.1")) == "private"
    assert inside.why_not(ip_address("127.0.0.1")) is None
    with pytest.raises(SourceForbidden, match="port 80"):
        inside.require("http://10.1.1.1/")


def test_no_setting_opens_the_metadata_services() -> None:
    everything = Destinations(networks=[ip_network("0.0.0.0/0"), ip_network("::/0")])
    for address in METADATA:
        assert everything.why_not(address) == "metadata"
    assert everything.why_not(ip_address("64:ff9b::169.254.169.254")) == "metadata"
    assert everything.why_not(ip_address("::ffff:169.254.169.254")) == "metadata"


def test_a_zone_is_refused() -> None:
    assert Destinations(networks=[ip_network("::/0")]).why_not(ip_address("2a00::1%eth0")) == "zoned"


@given(st.ip_addresses(v=4))
def test_with_nat64_allowed_what_is_behind_it_must_be_public(address: IPv4Address) -> None:
    through = Destinations(networks=[ip_network("64:ff9b::/96")])
    is_allowed = through.why_not(ip_address(f"64:ff9b::{address}")) is None
    assert is_allowed == (kind_of(address) is None and address not in METADATA)
