"""Every document of the image API is as described, and has no member that its description does not have."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from described import Described, documents_of
from image_api import V2_1, Person, Town
from job_world import new_job
from server import Answer
from stillage.api.image_v2.description import DETAILS
from stillage.api.services import SERVICES
from stillage.images.job import JobKind
from stillage.operations.jobs import Queue

Serve = Callable[..., AbstractAsyncContextManager[Town]]
MISSING = "00000000-0000-4000-8000-000000000000"
DATA = b"x" * 512
IMAGES = "/v2/images"
UPLOADS = "/v2/images/{image_id}/uploads"
PIECE = 4 << 20
PLAIN = {"disk_format": "raw", "container_format": "bare"}


@dataclass
class Checked:
    """Sends requests as *person*, and holds each answer against what is *described*."""

    person: Person
    described: Described

    async def __call__(self, route: str, body: Any = None, /, status: int = 200, **names: str) -> Answer:
        """*names*: the parameters of *route*'s path, and any headers."""
        method, _, path = route.partition(" ")
        headers = {name: value for name, value in names.items() if f"{{{name}}}" not in path}
        answer = await self.person(method, path.format(**names), body, **headers)
        assert answer.status == status, answer.body
        self.described.check(route, status, answer.json)
        return answer


@pytest.fixture
async def town(serve: Serve) -> AsyncIterator[Town]:
    async with serve(trash_days=1) as town:
        yield town


async def test_every_document_is_as_described(town: Town, erin: Person, olga: Person, ada: Person) -> None:
    ask = Checked(erin, Described((await erin("GET", "/openapi.json")).json))
    await images_and_members(ask, olga)
    await uploads(ask)
    for route in ("GET /v2", "GET /v2/"):
        await ask(route, status=300)
    await ask("GET /v2/versions")
    await ask("GET /v2/schemas/{name}", name="image")
    for name in ("stores", "import", "usage"):
        await ask(f"GET /v2/info/{name}")
    await replace(ask, person=ada)("GET /v2/info/stores/detail")
    await replace(ask, person=ada)("PUT /v2/quotas/{project_id}", {"limits": {"jobs": -1}}, project_id="ops")
    for route in (
        "GET /v2/quotas/{project_id}",
        "GET /v2/quotas",
        "GET /v2/usage",
        "GET /v2/audit",
        "GET /v2/status",
        "GET /v2/settings",
    ):
        await replace(ask, person=ada)(route, project_id="ops")
    await tasks(replace(ask, person=ada), town.application[SERVICES].queue)
    await replace(ask, person=ada)("GET /v2/cache")
    await metadefs(replace(ask, person=ada))
    await families(ask)
    await locations(ask, town.person("lab", "service,reader"))
    assert set(documents_of(DETAILS)) <= ask.described.seen


async def families(ask: Checked) -> None:
    image_id = (await ask.person.stored(DATA, family="f"))["id"]
    await ask("PUT /v2/retention/{family}", {"keep_newest": 1}, family="f")
    await ask("GET /v2/retention/{family}", family="f")
    await ask("GET /v2/retention")
    assert (await ask.person("DELETE", f"{IMAGES}/{image_id}")).status == 204
    assert len((await ask("GET /v2/trash")).json["trash"]) == 1
    await ask("POST /v2/trash/{image_id}/restore", image_id=image_id)


async def locations(ask: Checked, service: Person) -> None:
    image_id = (await ask.person.stored(DATA))["id"]
    await replace(ask, person=service)("GET /v2/images/{image_id}/locations", image_id=image_id)


async def metadefs(ask: Checked) -> None:
    namespaces = "/v2/metadefs/namespaces"
    one = namespaces + "/{namespace}"
    typed = {"title": "T", "type": "array", "items": {"type": "string"}, "default": ["x"]}
    parts = {
        "objects": {"name": "x", "required": ["p"], "properties": {"p": typed}},
        "properties": {"name": "x", **typed},
        "tags": {"name": "x"},
        "resource_types": {"name": "x", "prefix": "x:"},
    }
    await ask(f"POST {namespaces}", {"namespace": "n", "display_name": "N", "visibility": "public"}, 201)
    await ask(f"PUT {one}", {"namespace": "n", "description": "d"}, namespace="n")
    await ask(f"POST {one}/tags", {"tags": [{"name": "y"}]}, 201, namespace="n")
    for part, document in parts.items():
        if part == "tags":
            await ask(f"POST {one}/tags/{{name}}", None, 201, namespace="n", name="x")
        else:
            await ask(f"POST {one}/{part}", document, 201, namespace="n")
        await ask(f"GET {one}/{part}", namespace="n")
        if part != "resource_types":
            await ask(f"GET {one}/{part}/{{name}}", namespace="n", name="x")
            await ask(f"PUT {one}/{part}/{{name}}", document, namespace="n", name="x")
    await ask(f"GET {one}", namespace="n")
    await ask(f"GET {namespaces}")
    await ask("GET /v2/metadefs/resource_types")
    await ask("GET /v2/schemas/metadefs/{name}", name="namespace")


async def tasks(ask: Checked, queue: Queue) -> None:
    image_id = (await ask.person.create())["id"]
    task_id = (await queue.enqueue(new_job(kind=JobKind.IMPORT_URL, image_id=image_id))).id
    await ask("GET /v2/tasks")
    await ask("GET /v2/jobs")
    await ask("GET /v2/tasks/{task_id}", task_id=task_id)
    await ask("GET /v2/images/{image_id}/tasks", image_id=image_id)


async def images_and_members(ask: Checked, olga: Person) -> None:
    attributes = {**PLAIN, "tags": ["a"], "os_distro": "debian", "colour": "x"}
    image_id = (await ask(f"POST {IMAGES}", attributes, status=201)).json["id"]
    assert (await ask.person.upload(image_id, DATA)).status == 204
    one = "/v2/images/{image_id}"
    await ask(f"GET {one}", image_id=image_id)
    await ask(f"GET {one}", status=404, image_id=MISSING)
    await ask(f"GET {IMAGES}")
    change = [{"op": "replace", "path": "/name", "value": "n"}]
    await ask(f"PATCH {one}", change, image_id=image_id, content_type=V2_1)
    await ask(f"POST {one}/members", {"member": "works"}, image_id=image_id)
    await ask(f"GET {one}/members", image_id=image_id)
    share = {"image_id": image_id, "member_id": "works"}
    await ask(f"GET {one}/members/{{member_id}}", **share)
    await replace(ask, person=olga)(f"PUT {one}/members/{{member_id}}", {"status": "accepted"}, **share)
    await ask(f"GET {one}/map", image_id=image_id)
    await ask(f"GET {one}/copies", image_id=image_id)
    await ask(f"GET {one}/layout", image_id=image_id)
    await ask(f"GET {one}/verdict", image_id=image_id)
    await ask(f"POST {one}/links", status=201, image_id=image_id)
    await ask("GET /v2/rules")
    for data in (DATA, b"QFI\xfb" + bytes(508)):
        await ask(f"POST {IMAGES}/inspect", data)


async def pieces_that_are_here(ask: Checked) -> None:
    first, last = b"x" * PIECE, b"y"
    await ask.person.stored(first + last)
    image_id = (await ask.person.create(**PLAIN))["id"]
    opened = (await ask(f"POST {UPLOADS}", {"size": PIECE + 1}, status=201, image_id=image_id)).json
    one = {"image_id": image_id, "upload": opened["id"]}
    listed = {"digests": base64.b64encode(hashlib.sha256(first).digest()).decode()}
    asked = (await ask(f"POST {UPLOADS}/{{upload}}/have", listed, **one)).json["proof"]
    nonce, proof = asked["nonce"], []
    for begin, end in asked["ranges"]:
        proof.append(hashlib.sha256(nonce.encode() + first[begin : end + 1]).hexdigest())
    await ask(f"POST {UPLOADS}/{{upload}}/have", {**listed, "nonce": nonce, "proof": proof}, 202, **one)


async def uploads(ask: Checked) -> None:
    await ask.person.stored(DATA)
    image_id = (await ask.person.create(**PLAIN))["id"]
    opening = {"size": 512, "digests": {"sha512": hashlib.sha512(DATA).hexdigest()}}
    opened = (await ask(f"POST {UPLOADS}", opening, status=201, image_id=image_id)).json
    assert opened["proof"]["ranges"]
    one = {"image_id": image_id, "upload": opened["id"]}
    await ask(f"GET {UPLOADS}/{{upload}}", **one)
    await ask(f"GET {UPLOADS}", image_id=image_id)
    await ask("GET /v2/uploads")
    await ask(f"PUT {UPLOADS}/{{upload}}", DATA[:8], status=202, **one, content_range="bytes 0-7/512")
    await pieces_that_are_here(ask)
    other = (await ask.person.create(**PLAIN))["id"]
    await ask("PUT /v2/images/{image_id}/stage", DATA[:8], 202, image_id=other, content_range="bytes 0-7/512")
    await ask("PUT /v2/images/{image_id}/file", DATA[16:], 202, image_id=image_id, content_range="bytes 16-511/512")
