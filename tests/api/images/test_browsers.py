"""What browsers are told: where the console is, what its pages may do, and which other sites may use the APIs."""

from typing import Any

import pytest
from aiohttp import ClientResponse

from image_api import Person, Town

HORIZON = "https://horizon.example.test"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-auth-token"}
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


async def ask(town: Town, method: str, path: str, **headers: str) -> ClientResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with town.session.request(method, f"{town.url}{path}", headers=sent, allow_redirects=False) as response:
        await response.read()
        return response


async def test_a_browser_at_the_root_is_sent_to_the_console_and_nobody_else_is(town: Town, serve: Any) -> None:
    answer = await ask(town, "GET", "/", Accept=CHROMIUM)
    assert (answer.status, answer.headers["Location"]) == (303, f"{town.url}/console/")
    for path, accept in (("/", "*/*"), ("/", "application/json"), ("/v2", CHROMIUM), ("/v2/", CHROMIUM)):
        assert (await ask(town, "GET", path, Accept=accept)).status == 300
    async with serve(console=False) as without:
        assert (await ask(without, "GET", "/", Accept=CHROMIUM)).status == 300


async def test_pages_of_the_console_load_their_own_files_and_are_framed_by_nobody(town: Town) -> None:
    for method, path in (("GET", "/console/session"), ("GET", "/console/nothing"), ("POST", "/console/session")):
        headers = (await ask(town, method, path)).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; "
            "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Security-Policy" not in (await ask(town, "GET", "/v2/images")).headers


async def test_no_other_site_may_use_the_apis_unless_it_is_named(town: Town) -> None:
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
        answer = await ask(town, method, "/v2/images", Origin=HORIZON, **more)
        assert answer.status != 204
        assert [name for name in answer.headers if name.lower().startswith("access-control")] == []


@pytest.fixture
async def open_town(serve: Any) -> Any:
    async with serve(cors_origins=f"{HORIZON.upper()}:443, http://127.0.0.1:8080") as town:
        yield town


async def test_a_browser_asks_without_a_token_what_a_named_site_may_send(open_town: Town) -> None:
    for path in ("/v2/images", "/v2/images/x/uploads/y", "/v3/auth/tokens", "/v2/cloudimages"):
        answer = await ask(open_town, "OPTIONS", path, Origin=HORIZON, **PREFLIGHT)
        assert answer.status == 204, path
        assert answer.headers["Access-Control-Allow-Origin"] == HORIZON
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"].split(", ")
        assert "*" in answer.headers["Access-Control-Allow-Headers"].split(", ")
        assert "Access-Control-Allow-Credentials" not in answer.headers
    other = await ask(open_town, "OPTIONS", "/v2/images", Origin=f"{HORIZON}.evil.test", **PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in other.headers
    assert other.headers["Vary"] == "Origin"
    # Not a browser that asks, but a client that looks for the protocols of uploads.
    assert (await ask(open_town, "OPTIONS", "/v2/images/x/uploads", Origin=HORIZON)).status == 401


async def test_a_named_site_reads_answers_errors_and_headers_but_nothing_with_the_cookie(open_town: Town) -> None:
    erin: Person = open_town.person()
    answer = await ask(open_town, "GET", "/v2/images", Origin=HORIZON, X_Auth_Token=erin.token)
    refused = await ask(open_town, "GET", "/v2/images", Origin=HORIZON)
    for each, status in ((answer, 200), (refused, 401)):
        assert (each.status, each.headers["Access-Control-Allow-Origin"]) == (status, HORIZON)
        exposed = set(each.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed >= {"X-Subject-Token", "Location", "ETag", "X-Openstack-Request-Id", "Upload-Offset"}
        assert "Access-Control-Allow-Credentials" not in each.headers
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
        ours = await ask(open_town, method, "/console/session", Origin=HORIZON, **more)
        assert "Access-Control-Allow-Origin" not in ours.headers
    identity = await ask(open_town, "GET", "/v3", Origin=HORIZON)
    assert identity.headers.getall("Vary") == ["X-Auth-Token", "Origin"]
