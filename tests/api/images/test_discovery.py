"""Versions without a token, and absolute links: by the request, by a proxy that we trust, by the setting."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs
from yarl import URL

from image_api import Person, Town

Headers = Mapping[str, str] | list[tuple[str, str]]
PUBLIC = "https://images.example.test/image"
FORWARDED = {"Forwarded": 'for=192.0.2.1;proto=https;host="cloud.example.test:8443"'}
X_FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "cloud.example.test:8443",
    "X-Forwarded-Prefix": "/image",
    "X-Forwarded-For": "192.0.2.1",
}


async def get(session: ClientSession, url: str, headers: Headers | None = None) -> tuple[int, Any]:
    async with session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response:
        return response.status, await response.json()


def links(document: Any) -> set[str]:
    return {link["href"] for version in document["versions"] for link in version["links"]}


@pytest.mark.parametrize(
    ("path", "status"), [("/", 300), ("", 300), ("/v2", 300), ("/v2/", 300), ("/versions", 200), ("/v2/versions", 200)]
)
async def test_versions_need_no_token(town: Town, path: str, status: int) -> None:
    for headers in ({}, {"X-Auth-Token": "bad"}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        got, document = await get(town.session, f"{town.url}{path}", headers)
        assert got == status
        assert links(document) == {f"{town.url}/v2/"}
        current = [version["id"] for version in document["versions"] if version["status"] == "CURRENT"]
        assert len(current) == 1
        assert all(version["id"].startswith("v2.") for version in document["versions"])


async def test_one_version_is_listed_alone(town: Town) -> None:
    for version in ("v2.0", "v2.17"):
        status, document = await get(town.session, f"{town.url}/{version}")
        assert (status, [one["id"] for one in document["versions"]]) == (300, [version])
    for unknown in ("v2.99", "v2.x", "v2.", "v2.0/"):
        assert (await get(town.session, f"{town.url}/{unknown}"))[0] == 404


@pytest.mark.parametrize("headers", [FORWARDED, X_FORWARDED, {"Host": "other.example.test"}])
async def test_nobody_is_believed_who_is_not_trusted(town: Town, headers: dict[str, str]) -> None:
    _, document = await get(town.session, f"{town.url}/versions", headers)
    assert links(document) == {f"http://{headers['Host']}/v2/" if "Host" in headers else f"{town.url}/v2/"}


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (FORWARDED, "http://HOST"),
        (X_FORWARDED, "https://cloud.example.test:8443/image"),
        ({"X-Forwarded-Proto": "https"}, "https://HOST"),
        ({"X-Forwarded-Host": "a.test, b.test"}, "http://b.test"),
        (X_FORWARDED | {"Forwarded": "for=6.6.6.6;proto=http;host=evil.test"}, "https://cloud.example.test:8443/image"),
        ([("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Host", "a.test")], "http://a.test"),
        ({"X-Forwarded-Proto": "javascript"}, "http://HOST"),
        ({"X-Forwarded-Prefix": "/../etc passwd"}, "http://HOST"),
        ({"X-Forwarded-Prefix": "/image/../v2"}, "http://HOST"),
        ({}, "http://HOST"),
    ],
)
async def test_a_trusted_proxy_is_believed(serve: Any, headers: Headers, base: str) -> None:
    async with serve(trusted_proxies="127.0.0.0/8") as town:
        base = base.replace("HOST", town.url.removeprefix("http://"))
        _, document = await get(town.session, f"{town.url}/versions", headers)
        assert links(document) == {f"{base}/v2/"}
        if not isinstance(headers, dict):
            return
        person = town.person()
        answer = await person("POST", "/v2/images", {}, **{k.replace("-", "_"): v for k, v in headers.items()})
        assert answer.headers["location"].startswith(f"{base}/v2/images/")
        assert answer.json["self"].startswith("/v2/images/"), "paths stay as they are"
        unknown = await town.person()("GET", "/v2/nothing", **{k.replace("-", "_"): v for k, v in headers.items()})
        assert unknown.status == 404


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (FORWARDED, "https://cloud.example.test:8443"),
        (FORWARDED | X_FORWARDED, "https://cloud.example.test:8443"),
        (X_FORWARDED, "http://HOST"),
        ({"Forwarded": "nonsense"}, "http://HOST"),
        ({"Forwarded": 'for=6.6.6.6;host=evil.test;by=", for=192.0.2.1;proto=https;host="a.test"'}, "https://a.test"),
        ({"Forwarded": 'host="evil.test, for=192.0.2.1;host="a.test"'}, "http://a.test"),
        ({"Forwarded": "host=a.test;host=evil.test"}, "http://HOST"),
        ([("Forwarded", "host=evil.test"), ("Forwarded", "Host=a.test ; Proto=https")], "https://a.test"),
    ],
)
async def test_a_proxy_that_writes_forwarded_is_believed_that_alone(serve: Any, headers: Headers, base: str) -> None:
    async with serve(trusted_proxies="127.0.0.0/8", proxy_headers="forwarded") as town:
        base = base.replace("HOST", town.url.removeprefix("http://"))
        _, document = await get(town.session, f"{town.url}/versions", headers)
        assert links(document) == {f"{base}/v2/"}


@pytest.mark.parametrize(
    ("family", "headers", "address"),
    [
        ("x-forwarded", {"X-Forwarded-For": "6.6.6.6, 192.0.2.1"}, "192.0.2.1"),
        ("x-forwarded", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.1")], "192.0.2.1"),
        ("x-forwarded", {"X-Forwarded-For": "192.0.2.1:4711"}, "192.0.2.1"),
        ("x-forwarded", {"X-Forwarded-For": "2001:DB8::1"}, "2001:db8::1"),
        ("x-forwarded", {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=6.6.6.6"}, "192.0.2.1"),
        ("x-forwarded", {"Forwarded": "for=6.6.6.6"}, "127.0.0.1"),
        ("x-forwarded", {"X-Forwarded-For": "999.1.1.1"}, "127.0.0.1"),
        ("forwarded", {"X-Forwarded-For": "6.6.6.6"}, "127.0.0.1"),
        ("forwarded", {"X-Forwarded-For": "6.6.6.6", "Forwarded": 'for="[2001:db8::1]:4711"'}, "2001:db8::1"),
        ("forwarded", {"Forwarded": "for=unknown"}, "127.0.0.1"),
        ("forwarded", {"Forwarded": "for=_hidden"}, "127.0.0.1"),
    ],
)
async def test_the_client_has_the_address_that_the_proxy_wrote(
    serve: Any, family: str, headers: Headers, address: str
) -> None:
    async with serve(trusted_proxies="127.0.0.0/8", proxy_headers=family) as town:
        with capture_logs() as lines:
            await get(town.session, f"{town.url}/versions", headers)
        (line,) = [line for line in lines if line["event"] == "request"]
        assert line["peer"] == address


NO_HOSTS = [
    "",
    "a b",
    "a/b",
    "a@b",
    "a,b",
    'a"b',
    "<a>",
    "a..b",
    "-a.test",
    "a:0",
    "a:65536",
    "a:",
    "[::1",
    "[::g]",
    "1.2.3",
]


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_a_host_that_is_none_is_refused(town: Town, host: str) -> None:
    status, document = await get(town.session, f"{town.url}/versions", {"Host": host})
    assert (status, document["error"]["code"]) == (400, 400)
    assert "Host" in document["error"]["message"]


async def test_a_request_without_a_host_or_with_two_is_refused(town: Town) -> None:
    for lines, version, status in (
        ([], "1.1", 400), (["Host: a.test", "Host: b.test"], "1.1", 400), (["Host: a.test"], "1.1", 200),
        ([], "1.0", 200),
    ):  # fmt: skip
        reader, writer = await asyncio.open_connection(*town.url.removeprefix("http://").split(":"))
        writer.write("\r\n".join([f"GET /versions HTTP/{version}", *lines, "", ""]).encode())
        assert int((await reader.readline()).split()[1]) == status
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("family", "headers"),
    [
        ("x-forwarded", {"X-Forwarded-Host": 'a.test/evil?x="<script>'}),
        ("x-forwarded", {"X-Forwarded-Host": "a.test, b@c"}),
        ("forwarded", {"Forwarded": 'host="a.test/evil"'}),
    ],
)
async def test_a_forwarded_host_that_is_none_is_refused(serve: Any, family: str, headers: dict[str, str]) -> None:
    async with serve(trusted_proxies="127.0.0.0/8", proxy_headers=family) as town:
        assert (await get(town.session, f"{town.url}/versions", headers))[0] == 400
    async with serve(proxy_headers=family) as town:
        assert (await get(town.session, f"{town.url}/versions", headers))[0] == 200


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
