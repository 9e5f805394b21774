"""Every operation in every status of an image."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from image_api import Person
from server import Answer

STATUSES = ("queued", "saving", "active", "deactivated")


@asynccontextmanager
async def in_status(erin: Person, status: str) -> AsyncIterator[str]:
    """The id of an image that has *status*."""
    image_id = (await erin.create(name="n", disk_format="raw", container_format="bare", tags=["t"]))["id"]
    if status in ("active", "deactivated"):
        assert (await erin.upload(image_id)).status == 204
    if status == "deactivated":
        assert (await erin("POST", f"/v2/images/{image_id}/actions/deactivate")).status == 204
    if status != "saving":
        yield image_id
        return
    async with erin.uploading(image_id) as upload:
        yield image_id
        await upload.finish()


def patch(name: str, value: str) -> bytes:
    return f'[{{"op": "replace", "path": "/{name}", "value": "{value}"}}]'.encode()


# method, what follows the image's path, body; the answer in the order of STATUSES.
TABLE: list[tuple[str, str, bytes | None, tuple[int, int, int, int]]] = [
    ("GET", "", None, (200, 200, 200, 200)),
    ("PUT", "/file", b"x" * 512, (204, 409, 409, 409)),
    ("GET", "/file", None, (204, 204, 200, 403)),
    ("PATCH", "", patch("name", "m"), (200, 200, 200, 200)),
    ("PATCH", "", patch("visibility", "private"), (200, 200, 200, 200)),
    ("PATCH", "", patch("disk_format", "qcow2"), (200, 403, 403, 403)),
    ("PATCH", "", patch("container_format", "ovf"), (200, 403, 403, 403)),
    ("POST", "/actions/deactivate", None, (403, 403, 204, 204)),
    ("POST", "/actions/reactivate", None, (403, 403, 204, 204)),
    ("PUT", "/tags/new", None, (204, 204, 204, 204)),
    ("DELETE", "/tags/t", None, (204, 204, 204, 204)),
    ("POST", "/members", b'{"member": "works"}', (200, 200, 200, 200)),
    ("GET", "/members", None, (200, 200, 200, 200)),
    ("DELETE", "", None, (204, 204, 204, 204)),
]


@pytest.mark.parametrize(("method", "path", "body", "answers"), TABLE, ids=[f"{row[0]}{row[1]}" for row in TABLE])
async def test_each_operation_in_each_status(
    erin: Person, method: str, path: str, body: bytes | None, answers: tuple[int, ...]
) -> None:
    media_type = "application/openstack-images-v2.1-json-patch" if method == "PATCH" else "application/octet-stream"
    for status, expected in zip(STATUSES, answers, strict=True):
        async with in_status(erin, status) as image_id:
            answer = await erin(method, f"/v2/images/{image_id}{path}", body, content_type=media_type)
            assert answer.status == expected, (status, answer.body)
            if expected >= 400:
                assert status in answer.message


async def test_who_may_have_the_data_of_a_deactivated_image(erin: Person, olga: Person, ada: Person) -> None:
    async with in_status(erin, "deactivated") as image_id:
        await erin.share(image_id, "works")
        path = f"/v2/images/{image_id}/file"
        assert (await olga("GET", path)).status == 403
        assert (await ada("GET", path)).status == 200
        assert (await erin.show(image_id))["checksum"], "what is known of it stays readable"


async def test_deactivating_is_for_the_owner(erin: Person, rita: Person, olga: Person, ada: Person) -> None:
    async with in_status(erin, "active") as image_id:
        await erin.share(image_id, "works")
        for action in ("deactivate", "reactivate"):
            path = f"/v2/images/{image_id}/actions/{action}"
            assert (await rita("POST", path)).status == 403
            assert (await olga("POST", path)).status == 403
            assert (await ada("POST", path)).status == 204
            assert (await erin("POST", f"/v2/images/nothing/actions/{action}")).status == 404


async def test_deleting_ends_a_running_upload(erin: Person) -> None:
    image_id = (await erin.create(disk_format="raw"))["id"]
    async with erin.uploading(image_id) as upload:
        assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204
        answer = await upload.finish()
        assert answer.status == 410
        assert "deleted" in answer.message
    assert (await erin("GET", f"/v2/images/{image_id}")).status == 404


async def test_a_protected_image_is_not_deleted(erin: Person, ada: Person) -> None:
    image_id = (await erin.create(protected=True))["id"]
    for person in (erin, ada):
        answer = await person("DELETE", f"/v2/images/{image_id}")
        assert answer.status == 403
        assert "protected" in answer.message
    await erin.set(image_id, protected=False)
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204


async def test_a_deleted_image_is_gone_from_everywhere(erin: Person) -> None:
    image_id = (await erin.stored(name="n", tags=["t"], a="b"))["id"]
    assert (await erin("DELETE", f"/v2/images/{image_id}", b"{}\n")).status == 204, "a body is no matter"
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/file", None),
        ("PUT", "/file", b"x"),
        ("PATCH", "", b"[]"),
        ("PUT", "/tags/t", None),
        ("GET", "/members", None),
        ("POST", "/actions/deactivate", None),
    ):
        media_type = "application/openstack-images-v2.1-json-patch" if method == "PATCH" else "application/octet-stream"
        answer: Answer = await erin(method, f"/v2/images/{image_id}{path}", body, content_type=media_type)
        assert answer.status == 404, (method, path)
    assert await erin.names() == await erin.names("?tag=t") == await erin.names("?a=b") == []
