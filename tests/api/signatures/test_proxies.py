"""Signed requests that come through a proxy: what the client wrote counts, where the proxy is trusted to say it."""

from dataclasses import replace
from hashlib import sha256

import pytest

from signing_people import Office, Signing, send, send_raw

PUBLIC = "https://images.example.test/image"
BEHIND = {"public_url": PUBLIC, "trusted_proxies": "127.0.0.1"}


def signed(erin: Signing) -> dict[str, str]:
    """A list of images, as a client asks for it that knows the public URL alone."""
    return replace(erin, url=PUBLIC).headers("GET", "/v2/images", sha256(b"").hexdigest(), {})


@pytest.mark.parametrize("settings", [BEHIND])
async def test_a_proxy_that_keeps_host_and_path(office: Office, erin: Signing) -> None:
    headers = [("Host", "images.example.test"), *signed(erin).items()]
    assert (await send_raw(office.url, "GET", "/image/v2/images", headers)).status == 200
    assert (await send_raw(office.url, "GET", "/image/v2/images?limit=1", headers)).status == 401


@pytest.mark.parametrize("settings", [BEHIND])
async def test_a_proxy_that_takes_the_path_off_and_changes_the_host(office: Office, erin: Signing) -> None:
    headers = {"X-Forwarded-Host": "images.example.test", **signed(erin)}
    assert (await send(office.url, "GET", "/v2/images", headers)).status == 200


async def test_a_prefix_that_the_proxy_names(office: Office, erin: Signing) -> None:
    headers = {"X-Forwarded-Host": "images.example.test", "X-Forwarded-Prefix": "/image", **signed(erin)}
    assert (await send(office.url, "GET", "/v2/images", headers)).status == 401  # it is not trusted


@pytest.mark.parametrize("settings", [{"trusted_proxies": "127.0.0.1"}])
async def test_a_prefix_that_a_trusted_proxy_names(office: Office, erin: Signing) -> None:
    headers = {"X-Forwarded-Host": "images.example.test", "X-Forwarded-Prefix": "/image", **signed(erin)}
    assert (await send(office.url, "GET", "/v2/images", headers)).status == 200
