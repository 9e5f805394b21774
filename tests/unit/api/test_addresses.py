"""What is a host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.api.http.addresses import is_host

GOOD = [
    "localhost", "images.example.test", "images.example.test:9292", "a_b.test", "a.test.", "xn--bcher-kva.test",
    "192.0.2.1", "192.0.2.1:80", "[::1]", "[2001:db8::1]:65535", "a" * 63, f"{'a' * 63}.{'b' * 63}",
]  # fmt: skip
BAD = [
    "", " ", "a b", "a.test ", "a/b", "a?b", "a#b", "a@b", "u:p@a", "a,b", 'a"b', "a\\b", "<a>", "a\n", "bücher.test",
    ".", ".a", "a..b", "a.test..", "-a.test", "a-.test", "a" * 64, ".".join(["a" * 63] * 5),
    "a:", "a:0", "a:65536", "a:123456", "a:-1", "a:b", "a:1:2", ":80",
    "1.2.3", "256.1.1.1", "1.2.3.4.5", "a.1", "::1", "[::1", "::1]", "[]", "[::g]", "[1.2.3.4]", "[fe80::1%eth0]",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_name_or_an_address_with_an_optional_port_is_a_host(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_none(text: str) -> None:
    assert not is_host(text)


@given(st.text(max_size=30))
def test_a_host_never_changes_what_a_url_means(text: str) -> None:
    assert not is_host(text) or not set(text) & set("/?#@\\\"' <>\r\n")
