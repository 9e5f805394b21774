"""Imports from real web servers and from another deployment, with nothing between but the settings."""

import asyncio
import gzip
import hashlib
import lzma
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes import Clock
from image_api import image_api
from import_sources import MemoryGlance, MemoryWeb
from import_world import ALL, STORES, ImportWorld
from stillage.config import load
from web_servers import Request, WebServer, files, head, web_server

DATA = random.Random(1).randbytes(700_001)
PACKED = lzma.compress(DATA, preset=0)


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    """Serves the same disk in several ways."""
    whole = files({"/disk.raw": DATA, "/disk.raw.xz": PACKED, "/cut.gz": gzip.compress(DATA)[:-4]})

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        match request.path:
            case "/short":
                writer.write(head(Content_Length=len(DATA) + 1) + DATA)
                writer.close()
            case "/inside":
                writer.write(head("302 Found", Location=f"http://127.0.0.1:{made.port}/disk.raw", Content_Length=0))
            case _:
                await whole(request, writer)

    async with web_server(handle) as made:
        yield made


@pytest.fixture
async def world(server: WebServer, migrated_sqlite: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[ImportWorld]:
    (tmp_path / "secret.key").write_bytes(bytes(32))
    shutil.copy(migrated_sqlite, tmp_path / "stillage.db")
    settings = load(
        data=tmp_path,
        tls=False,
        stores=STORES,
        import_methods=ALL,
        spare_bytes=0,
        import_networks="127.0.0.2/32",
        import_ports=str(server.port),
        import_remotes=f"Here=http://127.0.0.2:{server.port}",
    )
    async with image_api(settings, clock) as town, town.worker.engine.running():
        erin, ada = town.person(), town.person("ops", "admin", user="ada")
        yield ImportWorld(town, erin, ada, MemoryWeb(), MemoryGlance(), clock, tmp_path)


async def imported(world: ImportWorld, uri: str, **attributes: Any) -> dict[str, Any]:
    return await world.imported(await world.image(**attributes), "web-download", uri=uri)


async def test_files_of_the_web_become_images(world: ImportWorld, server: WebServer) -> None:
    for path, served in (("/disk.raw", DATA), ("/disk.raw.xz", PACKED)):
        digest = hashlib.sha256(served).hexdigest()
        image = await imported(world, server.url(path, "127.0.0.2"), os_stillage_source_sha256=digest)
        assert (image["status"], image["size"]) == ("active", len(DATA))
        assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert set(world.files()["fast"]) == {DATA}


async def test_what_is_wrong_with_a_source_is_on_the_image(world: ImportWorld, server: WebServer) -> None:
    for path, reason in {
        "/nothing": "404 Not Found",
        "/short": f"declared {len(DATA) + 1} bytes and sent {len(DATA)}",
        "/cut.gz": "the gzip data end too early",
        "/inside": "not public (loopback)",
    }.items():
        image = await imported(world, server.url(path, "127.0.0.2"))
        assert image["status"] == "queued"
        assert reason in image["os_stillage_reason"]
    image = await imported(world, server.url("/disk.raw", "127.0.0.2"), os_stillage_source_sha256="0" * 64)
    assert image["status"] == "queued"
    assert "is expected" in image["os_stillage_reason"]
    await world.sweep()
    assert world.files() == {}


FORBIDDEN = (
    "http://127.0.0.1:{port}/disk.raw",
    "http://2130706433:{port}/disk.raw",
    "http://[::1]:{port}/disk.raw",
    "http://user@127.0.0.2:{port}/disk.raw",
    "http://127.0.0.2:22/disk.raw",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "file:///etc/passwd",
)


async def test_a_forbidden_url_is_refused_at_once_and_a_name_when_it_is_resolved(
    world: ImportWorld, server: WebServer
) -> None:
    image_id = await world.image()
    for url in FORBIDDEN:
        answer = await world.start(image_id, "web-download", uri=url.format(port=server.port))
        assert answer.status == 400
        assert answer.json["error"]["stillage_code"] == "source_forbidden"
        assert (await world.erin.show(image_id))["status"] == "queued"
    image = await world.imported(image_id, "web-download", uri=server.url("/disk.raw", "localhost"))
    assert image["status"] == "queued"
    assert "not public (loopback)" in image["os_stillage_reason"]
    assert server.connections == 0
