"""The image API in this process, over a real socket and SQLite, and people who ask it things in one line."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiohttp import ClientSession, web
from yarl import URL

from fakes import OpenRights
from server import Answer
from serving import serving
from stillage.accounts.principal import Principal
from stillage.api.application import make_web
from stillage.config import Settings
from stillage.db.leases import LeaseOwner
from stillage.errors import Unauthenticated
from stillage.identity.base import Identity
from stillage.ids import ProjectId, UserId
from stillage.images.access import with_implied
from stillage.images.patch import V2_0, V2_1
from stillage.operations.imports.sources import Sources
from stillage.worker import Worker, build_worker

OCTETS = "application/octet-stream"
__all__ = ["OCTETS", "V2_0", "V2_1", "Person", "Town", "image_api"]


class OpenIdentity:
    """Believes what a token says: ``user@project role,role``."""

    async def principal_of(self, token: str, *, service_token: str | None = None) -> Principal:  # noqa: ARG002
        user, at, rest = token.partition("@")
        project, blank, roles = rest.partition(" ")
        if not (at and blank):
            raise Unauthenticated
        return Principal(UserId(user), ProjectId(project), with_implied(frozenset(roles.split(","))), user, project)


@dataclass(frozen=True)
class Person:
    """Somebody with a token."""

    session: ClientSession
    token: str
    project: str

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request. *body*: bytes or pieces of them as they are, anything else as JSON."""
        sent = {"X-Auth-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if isinstance(body, dict | list | str | int | float | bool):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        elif body is not None:
            sent.setdefault("content-type", OCTETS)
        if isinstance(body, bytes):
            body = BytesIO(body)  # aiohttp warns of large bodies in one piece
        url = URL(f"{self.session._base_url}".rstrip("/") + path, encoded=True)
        async with self.session.request(method, url, data=body, headers=sent, allow_redirects=False) as response:
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, named, await response.read())

    async def create(self, **attributes: Any) -> dict[str, Any]:
        return self._document(await self("POST", "/v2/images", attributes), 201)

    async def show(self, image_id: str) -> dict[str, Any]:
        return self._document(await self("GET", f"/v2/images/{image_id}"), 200)

    async def patch(self, image_id: str, *operations: Any, media_type: str = V2_1) -> Answer:
        return await self("PATCH", f"/v2/images/{image_id}", list(operations), content_type=media_type)

    async def set(self, image_id: str, /, **attributes: Any) -> dict[str, Any]:
        operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in attributes.items()]
        return self._document(await self.patch(image_id, *operations), 200)

    async def upload(self, image_id: str, data: Any = b"x" * 512, **headers: str) -> Answer:
        return await self("PUT", f"/v2/images/{image_id}/file", data, **headers)

    async def stored(self, data: bytes = b"x" * 512, **attributes: Any) -> dict[str, Any]:
        """Return an image that is active with *data*."""
        image = await self.create(**{"disk_format": "raw", "container_format": "bare"} | attributes)
        answer = await self.upload(image["id"], data)
        assert answer.status == 204, answer.body
        return await self.show(image["id"])

    async def share(self, image_id: str, member: str) -> dict[str, Any]:
        return self._document(await self("POST", f"/v2/images/{image_id}/members", {"member": member}), 200)

    async def answer(self, image_id: str, status: str, member: str | None = None) -> Answer:
        return await self("PUT", f"/v2/images/{image_id}/members/{member or self.project}", {"status": status})

    async def page(self, query: str = "") -> dict[str, Any]:
        return self._document(await self("GET", f"/v2/images{query}"), 200)

    async def names(self, query: str = "") -> list[str]:
        """The names of the images in one page."""
        return [image["name"] for image in (await self.page(query))["images"]]

    @asynccontextmanager
    async def uploading(self, image_id: str, data: bytes = b"x" * 512) -> AsyncIterator["Upload"]:
        """An upload of *data* that has begun, and ends when it is told to."""
        go_on = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield data[:1]
            await go_on.wait()
            yield data[1:]

        task = asyncio.create_task(self.upload(image_id, pieces()))
        async with asyncio.timeout(60):
            while (await self.show(image_id))["status"] != "saving":
                assert not task.done(), task.result()
        try:
            yield Upload(task, go_on)
        finally:
            go_on.set()
            await task

    def _document(self, answer: Answer, status: int) -> dict[str, Any]:
        assert answer.status == status, (answer.status, answer.body)
        document: dict[str, Any] = answer.json
        return document


@dataclass(frozen=True)
class Upload:
    task: "asyncio.Task[Answer]"
    go_on: asyncio.Event

    async def finish(self) -> Answer:
        self.go_on.set()
        return await self.task


@dataclass(frozen=True)
class Town:
    """A running server and whoever lives there."""

    session: ClientSession
    url: str
    application: web.Application
    worker: Worker

    def person(self, project: str = "lab", roles: str = "member", user: str = "erin") -> Person:
        return Person(self.session, f"{user}@{project} {roles}", project)


@asynccontextmanager
async def image_api(
    settings: Settings, clock: Callable[[], Any], *, sources: Sources | None = None, identity: Identity | None = None
) -> AsyncIterator[Town]:
    """Serve, with a database that is migrated already. Nothing runs jobs; `Worker.engine` can.

    *identity*: knows people as the rows of the database do; None believes what tokens say.
    """
    owner = LeaseOwner.parse("test/1")
    async with build_worker(settings, owner=owner, clock=clock, sources=sources) as worker:
        services = dataclasses.replace(worker.services, identity=identity or OpenIdentity())
        if identity is None:
            services.uploads.rights.identity = OpenRights()
        application = make_web(services)
        async with (
            serving(application, prefix=services.addresses.prefix) as url,
            ClientSession(url) as session,
        ):
            yield Town(session, url, application, worker)
