"""Signed requests to every route of IMS, for the project of the key and for another one."""

from collections.abc import Iterator

from aiohttp import web

from signing_people import Office, Signing
from stillage.api.ims.routes import add_routes

NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"
# Characters that clients and servers encode in different ways, values that are empty, and a name that comes twice.
ODD = "?name=a%20b%2Bc~*'()%3D&os=%C3%BC%2F&empty=&flag&b=2&b=1&a%5B%5D=!"


def requests(project: str) -> Iterator[tuple[str, str]]:
    """Method and path of every route, for *project*."""
    router = web.UrlDispatcher()
    add_routes(router)
    names = {
        "project_id": project,
        "image_id": NO_IMAGE,
        "job_id": "0" * 32,
        "member_id": "works",
        "key": "a%20b%C3%BC",
    }
    for route in router.routes():
        assert route.resource is not None
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if route.method == "*" else (route.method,):
            yield method, route.resource.canonical.format(**names) + ODD


async def test_every_route_takes_a_signature(office: Office, erin: Signing) -> None:
    await office.accounts.grant("works", "erin", "member")
    lab, works = await office.id_of("lab"), await office.id_of("works")
    for project, headers in ((lab, {}), (works, {"X_Project_Id": works})):
        for method, path in requests(project):
            body: object = b"" if method == "GET" else {"name": "\u00fc", "project_id": project}
            answer = await erin(method, path, body, **headers)
            assert answer.status < 500, (method, path, answer.body)
            assert answer.status != 401, (method, path, answer.body)
            assert b"IMG.0030" not in answer.body, (method, path)


async def test_no_route_takes_a_wrong_signature(office: Office, erin: Signing) -> None:
    lab = await office.id_of("lab")
    for method, path in requests(lab):
        refused = await erin.with_secret("another")(method, path, b"" if method == "GET" else b"{}")
        assert (refused.status, refused.json["error_code"]) == (401, "APIGW.0301"), (method, path)
        assert (await erin("GET", "/v1/cloudimages/quota")).status == 200, "five failures in a row lock a key"


async def test_the_project_in_a_path_is_that_of_the_signature(office: Office, erin: Signing) -> None:
    await office.accounts.grant("works", "erin", "member")
    works = await office.id_of("works")
    seen = 0
    for method, path in requests(works):
        if works in path:
            answer = await erin(method, path, b"" if method == "GET" else b"{}")
            assert (answer.status, answer.json["error"]["code"]) == (400, "IMG.0030"), (method, path)
            seen += 1
    assert seen >= 9


async def test_a_filter_arrives_as_it_was_signed(erin: Signing) -> None:
    name = "a b+c~*'()"
    assert (await erin("POST", "/v2/images", {"name": name, "tags": ["k=v+w"]})).status == 201
    for query, expected in (("name=a%20b%2Bc~*'()", 1), ("tag=k%3Dv%2Bw", 1), ("name=a%20b+c", 0), ("name=a", 0)):
        answer = await erin("GET", f"/v2/cloudimages?limit=25&{query}&enterprise_project_id=all_granted_eps")
        assert (answer.status, len(answer.json["images"])) == (200, expected), query
