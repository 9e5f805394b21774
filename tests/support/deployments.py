"""A deployment in process, over a real socket: images, usage and uploads of projects that are named by their tokens."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession

from builders import principal
from stillage.accounts.principal import Principal
from stillage.worker import Worker

KIB = 1 << 10
MIB = 1 << 20
TIMEOUT_S = 60.0


class ByName:
    """A token is the name of the project that its holder is in."""

    async def principal_of(self, token: str, *, service_token: str | None = None) -> Principal:  # noqa: ARG002
        return principal(token)


@dataclass(frozen=True)
class Deployment:
    url: str
    worker: Worker
    session: ClientSession
    data_folder: Path

    async def create(self, project: str = "lab", **attributes: Any) -> tuple[int, dict[str, Any]]:
        record = {"container_format": "bare", "disk_format": "raw", "visibility": "private"} | attributes
        async with self.session.post("/v2/images", json=record, headers={"X-Auth-Token": project}) as answer:
            return answer.status, await answer.json()

    async def created(self, project: str = "lab") -> str:
        status, image = await self.create(project)
        assert status == 201, image
        return str(image["id"])

    async def get(self, path: str, project: str = "lab") -> tuple[int, Any]:
        async with self.session.get(path, headers={"X-Auth-Token": project}) as answer:
            return answer.status, await answer.json()

    async def usage(self, project: str = "lab") -> dict[str, tuple[int, int]]:
        status, answer = await self.get("/v2/info/usage", project)
        assert status == 200, answer
        return {name.removeprefix("image_"): (v["limit"], v["usage"]) for name, v in answer["usage"].items()}

    async def stored(self, data: bytes, project: str = "lab") -> str:
        image_id = await self.created(project)
        async with self.uploading(image_id, len(data), project) as upload:
            await upload.send(data)
            assert (await upload.answer()).status == 204
        return image_id

    @asynccontextmanager
    async def uploading(self, image_id: str, size: int | None, project: str = "lab") -> AsyncIterator["Upload"]:
        """Begin an upload, of *size* bytes or in chunks, that waits for ``100 Continue``."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        writer.write(
            f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: here\r\nX-Auth-Token: {project}\r\n"
            f"Content-Type: application/octet-stream\r\n{length}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        try:
            yield Upload(reader, writer, chunked=size is None)
        finally:
            writer.close()


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Upload:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    chunked: bool

    async def send(self, data: bytes, *, last: bool = True) -> None:
        """Wait until the server wants bytes, and send."""
        await self.begun()
        if self.chunked:
            data = b"%x\r\n%b\r\n%b" % (len(data), data, b"0\r\n\r\n" if last else b"")
        self.writer.write(data)

    async def begun(self) -> None:
        assert (await self._head()).startswith("HTTP/1.1 100 ")

    async def answer(self) -> Answered:
        head = await self._head()
        headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE)}
        length = int(headers.get("content-length", 0))
        body = await asyncio.wait_for(self.reader.readexactly(length), TIMEOUT_S)
        return Answered(int(head.split()[1]), headers, body.decode())

    async def _head(self) -> str:
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), TIMEOUT_S)).decode()


Deploy = Callable[..., AbstractAsyncContextManager[Deployment]]


async def refused_unread(deployment: Deployment, size: int | None, status: int, message: str) -> Answered:
    """Check that an upload is refused in the place of ``100 Continue``, and that the image was not touched."""
    image_id = await deployment.created()
    before = await deployment.usage()
    async with deployment.uploading(image_id, size) as upload:
        answer = await upload.answer()
    assert answer.status == status, answer
    assert re.search(message, answer.body), answer.body
    _, image = await deployment.get(f"/v2/images/{image_id}")
    assert image["status"] == "queued"
    assert "os_stillage_reason" not in image
    assert await deployment.usage() == before
    return answer
