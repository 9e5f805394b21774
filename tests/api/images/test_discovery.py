"""Versions without a token, and absolute links: by the request, by a proxy that we trust, by the setting."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from image_api import Person, Town

PUBLIC = "https://images.example.test/image"
FORWARDED = {"Forwarded": 'for=192.0.2.1;proto=https;host="cloud.example.test:8443"'}
X_FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "cloud.example.test:8443",
    "X-Forwarded-Prefix": "/image",
    "X-Forwarded-For": "192.0.2.1",
}


async def get(session: ClientSession, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    async with session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response:
        return response.status, await response.json()


def links(document: Any) -> set[str]:
    return {link["href"] for version in document["versions"] for link in version["links"]}


@pytest.mark.parametrize(
    ("path", "status"), [("/", 300), ("", 300), ("/v2", 300), ("/v2/", 300), ("/versions", 200), ("/v2/versions", 200)]
)
async def test_versions_need_no_token(town: Town, path: str, status: int) -> None:
    for headers in ({}, {"X-Auth-Token": "bad"}, {"Accept": "text/html"}):
        got, document = await get(town.session, f"{town.url}{path}", headers)
        assert got == status
        assert links(document) == {f"{town.url}/v2/"}
        current = [version["id"] for version in document["versions"] if version["status"] == "CURRENT"]
        assert len(current) == 1
        assert all(version["id"].startswith("v2.") for version in document["versions"])


@pytest.mark.parametrize("headers", [FORWARDED, X_FORWARDED, {"Host": "other.example.test"}])
async def test_nobody_is_believed_who_is_not_trusted(town: Town, headers: dict[str, str]) -> None:
    _, document = await get(town.session, f"{town.url}/versions", headers)
    assert links(document) == {f"http://{headers['Host']}/v2/" if "Host" in headers else f"{town.url}/v2/"}


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (FORWARDED, "https://cloud.example.test:8443"),
        (X_FORWARDED, "https://cloud.example.test:8443/image"),
        ({"X-Forwarded-Proto": "https"}, "https://HOST"),
        ({"X-Forwarded-Host": "a.test, b.test"}, "http://b.test"),
        ({"X-Forwarded-Host": 'a.test/evil?x="<script>'}, "http://HOST"),
        ({"X-Forwarded-Proto": "javascript"}, "http://HOST"),
        ({"X-Forwarded-Prefix": "/../etc passwd"}, "http://HOST"),
        ({"Forwarded": "nonsense"}, "http://HOST"),
        ({}, "http://HOST"),
    ],
)
async def test_a_trusted_proxy_is_believed(serve: Any, headers: dict[str, str], base: str) -> None:
    async with serve(trusted_proxies="127.0.0.0/8") as town:
        base = base.replace("HOST", town.url.removeprefix("http://"))
        _, document = await get(town.session, f"{town.url}/versions", headers)
        assert links(document) == {f"{base}/v2/"}
        person = town.person()
        answer = await person("POST", "/v2/images", {}, **{k.replace("-", "_"): v for k, v in headers.items()})
        assert answer.headers["location"].startswith(f"{base}/v2/images/")
        assert answer.json["self"].startswith("/v2/images/"), "paths stay as they are"
        unknown = await town.person()("GET", "/v2/nothing", **{k.replace("-", "_"): v for k, v in headers.items()})
        assert unknown.status == 404


async def test_the_public_url_wins_and_its_prefix_may_stay_in_requests(serve: Any) -> None:
    async with serve(public_url=PUBLIC, trusted_proxies="127.0.0.1") as town:
        for path, status in (
            ("/", 300),
            ("/image", 300),
            ("/image/", 300),
            ("/image/versions", 200),
            ("/versions", 200),
        ):
            got, document = await get(town.session, f"{town.url}{path}", X_FORWARDED)
            assert (got, links(document)) == (status, {f"{PUBLIC}/v2/"})
        person: Person = town.person()
        made = await person("POST", "/image/v2/images", {"name": "a"})
        assert made.status == 201
        assert made.headers["location"] == f"{PUBLIC}/v2/images/{made.json['id']}"
        page = (await person("GET", "/image/v2/images?limit=1")).json
        assert page["next"].startswith("/v2/images?"), "clients join it to the catalogue's URL"
        assert (await person("GET", "/imagery/v2/images")).status == 404
        got, _ = await get(town.session, f"{town.url}/v2/images")
        assert got == 401


async def test_401_names_the_identity_service(serve: Any) -> None:
    async with (
        serve(public_url=PUBLIC) as town,
        town.session.get(f"{town.url}/v2/images", headers={"X-Auth-Token": "bad"}) as response,
    ):
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == f'Keystone uri="{PUBLIC}/identity/v3"'


async def test_the_catalogue_names_the_image_service_without_a_version(serve: Any) -> None:
    async with serve(public_url=PUBLIC) as town:
        _, document = await get(town.session, f"{town.url}/identity/v3")
        assert document["version"]["links"][0]["href"] == f"{PUBLIC}/identity/v3/"
