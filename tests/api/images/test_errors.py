"""What a refusal looks like: the same on every route, whatever the client says that it accepts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web

from image_api import Person, Town
from samples import load
from server import Answer
from stillage.api.description import ERROR
from stillage.api.image_v2 import routes

NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"


NAMES = {"image_id": NO_IMAGE, "member_id": "m", "tag": "t", "upload": "u", "store": "nowhere"}
# What is not of images: whoever may not use it at all is told that first.
OTHERS = ("/v2/metadefs", "/v2/tasks", "/v2/cache", "/v2/schemas/metadefs")


def all_routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route of the image API, with names filled in that stand for nothing."""
    router = web.UrlDispatcher()
    routes.add_routes(router)
    for route in router.routes():
        if route.method != "HEAD" and route.resource is not None:
            path = route.resource.canonical
            yield route.method, re.sub(r"{(\w+)}", lambda name: NAMES.get(name[1], "nothing"), path)


ROUTES = sorted(all_routes())
CODES = set(re.findall(r"^\| `(\w+)` \|", (Path(__file__).parents[3] / "docs" / "errors.md").read_text(), re.MULTILINE))


def check(answer: Answer, status: int) -> dict[str, Any]:
    """Return what the answer says, which has the shape of every refusal."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    assert list(answer.json) == ["error"]
    error: dict[str, Any] = answer.json["error"]
    assert error["code"] == status
    assert error["title"]
    assert error["message"]
    assert error["stillage_code"] in CODES
    assert error["request_id"] == answer.headers["x-openstack-request-id"]
    jsonschema_rs.validate(dict(ERROR), answer.json)
    assert error.keys() <= ERROR["properties"]["error"]["properties"].keys()
    return error


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_good_token_every_route_says_401(town: Town, erin: Person, method: str, path: str) -> None:
    for token in ("bad", "", "ünknown"):
        answer = await Person(town.session, token, "")(method, path)
        check(answer, 401)
        assert answer.headers["www-authenticate"].startswith('Keystone uri="')


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if NO_IMAGE in route[1] and not route[1].startswith(OTHERS)]
)
async def test_an_image_that_is_not_there_is_a_404_on_every_route(erin: Person, method: str, path: str) -> None:
    bodies = {
        "members": b'{"member": "m"}',
        f"{NO_IMAGE}/members/m": b'{"status": "accepted"}',
        "import": b'{"method": {"name": "glance-direct"}}',
        "locations": b'{"url": "https://mirror.example/disk"}',
    }
    body = next((body for end, body in bodies.items() if path.endswith(end) and method in ("POST", "PUT")), None)
    media_type = "application/octet-stream"
    if method == "PATCH":
        body, media_type = b"[]", "application/openstack-images-v2.1-json-patch"
    for image_id in (NO_IMAGE, "x", "%27", "a%20b", "%F0%9F%90%8F", "x" * 300):
        error = check(await erin(method, path.replace(NO_IMAGE, image_id), body, content_type=media_type), 404)
        assert "image" in error["message"]


# Where "inspect" stands with another method it is taken for an image's id.
@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1] != "/v2/images/inspect"])
async def test_other_methods_are_a_405_that_says_which_there_are(erin: Person, method: str, path: str) -> None:
    possible = {known for known, other in ROUTES if other == path} | (
        {"HEAD"} if path.endswith(("/file", "/disk", "/u", "/links/nothing")) else set()
    )
    for other in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - possible:
        answer = await erin(other, path)
        assert set(answer.headers["allow"].split(",")) == possible
        error = check(answer, 405)
        assert error["stillage_code"] == "method_not_allowed"
        assert all(known in error["message"] for known in possible - {"HEAD"})


@pytest.mark.parametrize("path", ["/v2/nothing", "/v2/images/x/file/", "/v2/images/", "/v2//images", "/v2/job"])
async def test_an_address_that_is_none(erin: Person, path: str) -> None:
    assert check(await erin("GET", path), 404)["stillage_code"] == "route_not_found"


@pytest.mark.parametrize("accept", ["text/html", "text/plain", "application/xml", "*/*", "", "application/json;q=0"])
async def test_errors_are_json_whatever_is_accepted(erin: Person, accept: str) -> None:
    check(await erin("GET", f"/v2/images/{NO_IMAGE}", accept=accept), 404)


async def test_a_refusal_of_bytes_carries_its_facts(erin: Person) -> None:
    image_id = (await erin.create(disk_format="qcow2", container_format="bare"))["id"]
    answer = await erin.upload(image_id, load("qcow2-v3-backing.qcow2"))
    error = check(answer, 415)
    assert error["rule"] == "qcow2.backing-file"
    assert error["offset"] > 0
    assert (error["found"], error["declared"]) == ("qcow2", "qcow2")
    assert error["fix"].startswith("qemu-img convert")
    image = await erin.show(image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    assert error["message"] in image["os_stillage_reason"]
    assert (await erin.upload(image_id, load("qcow2-v3-plain.qcow2"))).status == 204
    assert "os_stillage_reason" not in await erin.show(image_id)


async def test_too_large_names_both_numbers(serve: Any) -> None:
    async with serve(max_image_bytes=1000) as town:
        erin = town.person()
        image_id = (await erin.create(disk_format="raw"))["id"]
        error = check(await erin.upload(image_id, b"x" * 1001), 413)
        assert error["stillage_code"] == "image_too_large"
        assert "1000" in error["message"]
        assert "1001" in error["message"]
        assert (await erin.upload(image_id, b"x" * 1000)).status == 204


async def test_a_wrong_range_says_what_there_is(erin: Person) -> None:
    image = await erin.stored()
    answer = await erin("GET", f"/v2/images/{image['id']}/file", range="bytes=512-")
    check(answer, 416)
    assert answer.headers["content-range"] == "bytes */512"


async def test_an_error_of_ours_is_a_500_without_its_text(
    erin: Person, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: Any) -> None:
        raise ZeroDivisionError("the secret text")

    monkeypatch.setattr("stillage.operations.images.Images.get", fail)
    error = check(await erin("GET", f"/v2/images/{NO_IMAGE}"), 500)
    assert error["stillage_code"] == "internal_error"
    assert "secret" not in error["message"]
    assert "request id" in error["message"]


@pytest.mark.parametrize("sent", ["req-of-the-client", "x" * 5000])
async def test_a_clients_request_id_is_not_adopted(erin: Person, sent: str) -> None:
    answer = await erin("GET", f"/v2/images/{NO_IMAGE}", x_openstack_request_id=sent)
    assert check(answer, 404)["request_id"].startswith("req-")
    assert sent not in answer.headers["x-openstack-request-id"]


async def test_under_ims_errors_have_its_codes(serve: Any) -> None:
    async with serve(profile="ims") as town:
        erin = town.person()
        for answer, status, code in (
            (await erin("GET", f"/v2/images/{NO_IMAGE}"), 404, "IMG.0144"),
            (await erin("POST", "/v2/images", {"min_disk": -1}), 400, "IMG.0001"),
            (await erin("POST", "/v2/images", {"visibility": "public"}), 403, "IMG.0026"),
            (await erin("POST", "/v2/images", {"tags": [str(n) for n in range(129)]}), 400, "IMG.0116"),
        ):
            assert (answer.status, set(answer.json["error"])) == (status, {"message", "code", "stillage_code"})
            assert answer.json["error"]["code"] == code
            assert answer.json["error"]["stillage_code"] in CODES
