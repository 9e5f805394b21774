"""A server with three stores and sources in memory, whose jobs run: for tests of imports."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes import Clock
from image_api import Person, Town, image_api
from import_sources import File, MemoryGlance, MemorySources, MemoryWeb
from server import Answer
from stillage.config import load
from stillage.identity.base import Identity

URL = "https://mirror.example.net/disk.raw"
REMOTE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
STORES: list[dict[str, Any]] = [
    {"id": "fast", "type": "files", "path": "fast", "default": True},
    {"id": "cold", "type": "files", "path": "cold"},
    {"id": "old", "type": "files", "path": "old", "read_only": True},
]
ALL = ("glance-direct", "web-download", "copy-image", "glance-download")
RAW = {"disk_format": "raw", "container_format": "bare"}


@dataclass
class ImportWorld:
    town: Town
    erin: Person
    ada: Person
    web: MemoryWeb
    glance: MemoryGlance
    clock: Clock
    folder: Path

    async def image(self, **attributes: Any) -> str:
        return str((await self.erin.create(**RAW | attributes))["id"])

    async def staged(self, data: bytes, **attributes: Any) -> str:
        image_id = await self.image(**attributes)
        answer = await self.erin("PUT", f"/v2/images/{image_id}/stage", data)
        assert answer.status == 204, answer.body
        return image_id

    async def start(self, image_id: str, method: str, person: Person | None = None, **more: Any) -> Answer:
        """Ask for an import; arguments that a method has itself are put there."""
        own = {name: more.pop(name) for name in list(more) if name == "uri" or name.startswith("glance_")}
        body = {"method": {"name": method, **own}, **more}
        return await (person or self.erin)("POST", f"/v2/images/{image_id}/import", body)

    async def accepted(self, image_id: str, method: str, **more: Any) -> None:
        answer = await self.start(image_id, method, **more)
        assert (answer.status, answer.body) == (202, b""), answer.body

    async def ended(self, image_id: str) -> dict[str, Any]:
        """Return the image when no import of it runs."""
        async with asyncio.timeout(60):
            while "os_glance_import_task" in (image := await self.erin.show(image_id)):  # noqa: ASYNC110 - far away
                await asyncio.sleep(0.02)
        return image

    async def imported(self, image_id: str, method: str, **more: Any) -> dict[str, Any]:
        await self.accepted(image_id, method, **more)
        return await self.ended(image_id)

    async def downloaded(self, file: File, **attributes: Any) -> dict[str, Any]:
        """Return the image when the import of *file* from the web has ended."""
        self.web.files[URL] = file
        more = {name: attributes.pop(name) for name in list(attributes) if "stores" in name}
        return await self.imported(await self.image(**attributes), "web-download", uri=URL, **more)

    def files(self) -> Mapping[str, list[bytes]]:
        """What is stored, by store."""
        return {one["id"]: self._in(one["path"]) for one in STORES if self._in(one["path"])}

    def _in(self, path: Any) -> list[bytes]:
        return [file.read_bytes() for file in (self.folder / str(path)).rglob("*") if file.is_file()]

    async def sweep(self) -> None:
        await self.town.worker.sweep()

    async def usage(self) -> int:
        return int((await self.erin("GET", "/v2/info/usage")).json["usage"]["image_size_total"]["usage"])


@asynccontextmanager
async def import_world(
    database_url: str, folder: Path, clock: Clock, identity: Identity | None = None, **settings: Any
) -> AsyncIterator[ImportWorld]:
    (folder / "secret.key").write_bytes(bytes(32))
    sources = MemorySources()
    given: dict[str, Any] = {"stores": STORES, "import_methods": ALL, "spare_bytes": 0} | settings
    loaded = load(data=folder, tls=False, database_url=database_url, **given)
    async with image_api(loaded, clock, sources=sources, identity=identity) as town, town.worker.engine.running():
        erin, ada = town.person(), town.person("ops", "admin", user="ada")
        yield ImportWorld(town, erin, ada, sources.web, sources.remote, clock, folder)
