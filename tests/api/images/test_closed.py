"""Closed by default: a route needs a principal unless its dialect lists it as public."""

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from image_api import Person, Town
from stillage.api.console.assets import assets
from stillage.api.dialects import ROUTES, name_of, route_of
from stillage.api.ims.dialect import IMS

NAMES = dict.fromkeys(("image_id", "user_id", "project_id"), "00000000-0000-4000-8000-000000000000")
NAMES |= {
    "member_id": "m",
    "tag": "t",
    "name": "image",
    "key": "k",
    "job_id": "j",
    "task_id": "t",
    "upload": "u",
    "link": "l",
    "credential_id": "c",
    "session_id": "s",
    "access": "A",
    "rest": "r",
    "store": "s",
    "namespace": "n",
    "digest": assets().digest,
    "file": "main.js",
    "page": "images",
    "family": "f",
    "minor": "0",
    "role_id": "r",
    "domain_id": "d",
}
PUBLIC = {
    "GET /", "GET /v2.{minor}", "GET /versions", "GET /openapi.json", "GET /healthz", "GET /readyz",
    "GET /v2", "GET /v2/", "GET /v2/versions",
    "GET /console", "GET /console/config", "GET /console/ca.pem", "GET /console/{digest}/{file}", "GET /console/{page}",
    "GET /identity", "GET /identity/",
    *(f"GET {prefix}/v3{end}" for prefix in ("", "/identity") for end in ("", "/")),
    "POST /console/session",
    *(f"POST {prefix}/v3/auth/tokens" for prefix in ("", "/identity")),
    *(f"POST {prefix}/v3.0/OS-CREDENTIAL/securitytokens" for prefix in ("", "/identity")),
}  # fmt: skip


async def ask(session: ClientSession, method: str, url: str) -> int:
    async with session.request(method, URL(url, encoded=True), allow_redirects=False) as response:
        return response.status


def routes_of(application: web.Application) -> list[web.AbstractRoute]:
    return [route for route in application.router.routes() if route.resource is not None]


async def test_every_route_says_401_without_credentials_unless_it_is_listed_as_public(town: Town) -> None:
    seen = set()
    for route in routes_of(town.application):
        assert route.resource is not None
        path = route.resource.canonical.format(**NAMES)
        status = await ask(town.session, route.method, f"{town.url}{path}")
        if name_of(route) in PUBLIC:
            assert status in (200, 300, 308, 400, 404), (route.method, path)  # 400: no body, 404: no file
        else:
            assert status == 401, (route.method, path)
        seen.add(name_of(route))
    assert seen >= PUBLIC
    assert set().union(*(dialect.public for dialect in town.application[ROUTES].dialects)) == PUBLIC


async def test_every_route_belongs_to_one_dialect(town: Town) -> None:
    for route in routes_of(town.application):
        assert route.resource is not None
        owners = [dialect for dialect in town.application[ROUTES].dialects if dialect.has(route.resource.canonical)]
        # Paths of IMS lie between those of the image API.
        assert len(owners) == 1 + (owners[0] is IMS and owners[0] is not owners[-1]), route.resource.canonical


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
async def test_a_path_of_no_dialect_is_404_whatever_is_behind_it(
    town: Town, erin: Person, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_to_all(_request: web.Request) -> web.Response:
        raise AssertionError("no dialect has this route")

    monkeypatch.setattr(town.application.router, "_frozen", False)
    for path in ("/v1/images", "/v22", "/v2images", "/identity2", "/imagery"):
        town.application.router.add_route("*", path, open_to_all)
    for path in ("/v1/images", "/v22", "/v2images", "/identity2", "/imagery", "/nothing", "/V2/images", "//v2/images"):
        assert (await erin(method, path)).status == 404
        assert await ask(town.session, method, f"{town.url}{path}") == 404


async def test_a_new_route_of_a_dialect_is_closed(town: Town, erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert route_of(request).dialect is not None
        return web.Response(text="let in")

    monkeypatch.setattr(town.application.router, "_frozen", False)
    for path in ("/v2/new", "/v2/images/{image_id}/new/{upload}", "/metrics/new"):
        town.application.router.add_get(path, handler)
    for path in ("/v2/new", "/v2/images/x/new/a.b", "/metrics/new"):
        assert await ask(town.session, "GET", f"{town.url}{path}") == 401
        assert await ask(town.session, "HEAD", f"{town.url}{path}") == 401
        assert (await erin("GET", path)).status == 200


async def test_a_route_is_the_same_however_its_path_is_escaped(town: Town) -> None:
    for path in ("/%76%32/images", "/v2/%69mages", "/v%32/images?x=/healthz"):
        assert await ask(town.session, "GET", f"{town.url}{path}") == 401


async def test_a_capability_opens_only_the_routes_that_look_it_up(town: Town, erin: Person) -> None:
    image_id = (await erin.create(disk_format="raw", container_format="bare"))["id"]
    opened = await erin("POST", f"/v2/images/{image_id}/uploads", {"size": 5})
    capability = opened.json["url"]
    forged = f"{capability[:-4]}AAAA"
    for method, path in (
        ("GET", forged), ("HEAD", forged), ("PUT", forged), ("PATCH", forged), ("DELETE", forged), ("POST", forged),
        ("POST", f"{forged}/proof"),
    ):  # fmt: skip
        assert await ask(town.session, method, f"{town.url}{path}") in (400, 404, 412), (method, path)
    for method, path in (("GET", f"/v2/images/a.b/uploads/{NAMES['upload']}"), ("PUT", f"{capability}/file")):
        assert await ask(town.session, method, f"{town.url}{path}") in (401, 404)
    assert await ask(town.session, "GET", f"{town.url}{capability}") == 200
