"""Reading images of another service, which answers as Glance does: no ETag, ranges, and the digests on record."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from stillage.errors import (
    SourceDigestMismatch,
    SourceForbidden,
    SourceLengthMismatch,
    SourceRefused,
    SourceUnavailable,
    StillageError,
)
from stillage.operations.imports.sources import Described, RemoteImage
from stillage.outgoing.fetch import Fetcher
from stillage.outgoing.glance import GlanceSource
from stillage.outgoing.peer import HttpPeer
from stillage.sources import SERVICES
from web_servers import AT_ONCE, TRUST, Request, WebServer, head, web_server

DATA = bytes(range(253)) * 2000
ID = "4d5a2b1e-5c5d-4b52-9f0b-2f6f2f0c9a11"
IMAGE = RemoteImage("Two", ID, token="the-token")
RECORD: dict[str, Any] = {
    "id": ID,
    "name": "disk",
    "status": "active",
    "size": len(DATA),
    "disk_format": "qcow2",
    "container_format": "bare",
    "min_disk": 1,
    "tags": ["a"],
    "os_hash_algo": "sha512",
    "os_hash_value": hashlib.sha512(DATA).hexdigest(),
    "checksum": hashlib.md5(DATA, usedforsecurity=False).hexdigest(),
    "hw_disk_bus": "scsi",
    "os_type": "linux",
    "direct_url": "rbd://secret",
}


@dataclass
class Glance:
    """Serves one image to one token; it breaks off as often as it is told."""

    record: dict[str, Any] = field(default_factory=lambda: dict(RECORD))
    data: bytes = DATA
    breaks: int = 0
    catalogue: Any = None

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.headers.get("x-auth-token") != "the-token":
            return self.say(writer, b"{}", "401 Unauthorized")
        match request.path:
            case "/v3/auth/catalog":
                return self.say(writer, json.dumps(self.catalogue).encode())
            case path if path == f"/v2/images/{ID}":
                return self.say(writer, json.dumps(self.record).encode())
            case path if path == f"/v2/images/{ID}/file":
                return self.send(request, writer)
        return self.say(writer, b"{}", "404 Not Found")

    def say(self, writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK") -> None:
        writer.write(head(status, Content_Length=len(body), Content_Type="application/json") + body)

    def send(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if not self.data:
            writer.write(head("204 No Content"))
            return
        part = self.data[request.start :]
        headers: dict[str, object] = {"Content_Length": len(part), "Content_Md5": "0" * 32}
        status = "200 OK"
        if "range" in request.headers:
            status = "206 Partial Content"
            headers["Content_Range"] = f"bytes {request.start}-{len(self.data) - 1}/{len(self.data)}"
        if self.breaks:
            self.breaks -= 1
            writer.write(head(status, **headers) + part[:100_000])
            writer.close()
        else:
            writer.write(head(status, **headers) + part)


@asynccontextmanager
async def reading(glance: Glance, *, in_catalogue: bool = False) -> AsyncIterator[tuple[GlanceSource, WebServer]]:
    async with web_server(glance) as server:
        url = f"http://127.0.0.2:{server.port}"
        peer = HttpPeer(url, "Keystone", timeout_s=10)
        remotes = {} if in_catalogue else {"Two": f"{url}/"}
        fetcher = Fetcher(SERVICES, timeout_s=30.0, trust=TRUST, most_redirects=0)
        source = GlanceSource(fetcher, remotes, peer if in_catalogue else None, AT_ONCE)
        try:
            yield source, server
        finally:
            await source.close()
            await peer.close()


async def read(source: GlanceSource, image: RemoteImage = IMAGE) -> bytes:
    async with source.open(image) as opened:
        return b"".join([chunk async for chunk in opened.chunks])


async def failure_of(glance: Glance, image: RemoteImage = IMAGE) -> StillageError:
    async with reading(glance) as (source, _):
        with pytest.raises(StillageError) as failure:
            await read(source, image)
    assert "the-token" not in str(failure.value)
    return failure.value


async def test_an_image_comes_with_what_is_on_record() -> None:
    async with reading(Glance()) as (source, _), source.open(IMAGE) as opened:
        properties = {"hw_disk_bus": "scsi", "os_type": "linux"}
        assert opened.length == len(DATA)
        assert isinstance(opened.described, Described)
        assert (opened.described.disk_format, opened.described.container_format) == ("qcow2", "bare")
        assert properties.items() <= opened.described.properties.items()
        assert not {"name", "id", "status", "os_hash_value"} & opened.described.properties.keys()
        assert b"".join([chunk async for chunk in opened.chunks]) == DATA
        assert opened.fraction() == 1.0


async def test_a_download_that_breaks_is_resumed_with_the_token() -> None:
    async with reading(Glance(breaks=2)) as (source, server):
        assert await read(source) == DATA
    asked = [(request.headers.get("range"), request.headers["x-auth-token"]) for request in server.requests[1:]]
    assert asked == [(None, "the-token"), ("bytes=100000-", "the-token"), ("bytes=200000-", "the-token")]
    assert not any("if-range" in request.headers for request in server.requests)


async def test_an_empty_image_is_read() -> None:
    empty = {"size": 0, "os_hash_value": hashlib.sha512().hexdigest()}
    async with reading(Glance({**RECORD, **empty}, b"")) as (source, _):
        assert await read(source) == b""


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"status": "queued"}, SourceRefused),
        ({"size": None}, SourceRefused),
        ({"size": -1}, SourceRefused),
        ({"size": len(DATA) + 1}, SourceLengthMismatch),
        ({"size": len(DATA) - 1}, SourceLengthMismatch),
        ({"os_hash_value": "0" * 128}, SourceDigestMismatch),
        ({"os_hash_value": None, "checksum": "0" * 32}, SourceDigestMismatch),
        ({"os_hash_algo": "rot13", "checksum": "0" * 32}, SourceDigestMismatch),
    ],
)
async def test_what_is_not_as_on_record_is_refused(changes: dict[str, Any], kind: type[StillageError]) -> None:
    assert isinstance(await failure_of(Glance({**RECORD, **changes})), kind)


async def test_an_old_image_without_digests_is_read() -> None:
    async with reading(Glance({**RECORD, "os_hash_algo": None, "os_hash_value": None, "checksum": None})) as (
        source,
        _,
    ):
        assert await read(source) == DATA


@pytest.mark.parametrize(
    "image", [RemoteImage("Two", ID.replace("4d5a", "5d5a"), token="the-token"), RemoteImage("Two", ID, token="x")]
)
async def test_an_image_that_the_token_does_not_see_is_refused(image: RemoteImage) -> None:
    failure = await failure_of(Glance(), image)
    assert isinstance(failure, SourceRefused)
    assert image.image_id in str(failure)


@pytest.mark.parametrize("image_id", ["../../v3/auth/catalog?x", "..", "", "disk"])
async def test_an_id_is_no_path(image_id: str) -> None:
    async with reading(Glance()) as (source, server):
        with pytest.raises(SourceForbidden, match="no UUID"):
            await read(source, RemoteImage("Two", image_id, token="the-token"))
    assert server.connections == 0


async def test_no_redirect_takes_the_token_along() -> None:
    async with web_server(Glance()) as elsewhere:

        async def redirect(_request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(head("302 Found", Location=elsewhere.url("/", "127.0.0.2"), Content_Length=0))

        async with web_server(redirect) as server:
            fetcher = Fetcher(SERVICES, timeout_s=30.0, trust=TRUST, most_redirects=0)
            source = GlanceSource(fetcher, {"Two": f"http://127.0.0.2:{server.port}"}, None, AT_ONCE)
            with pytest.raises(SourceRefused, match="no redirect is followed with a token"):
                await read(source)
            await source.close()
    assert elsewhere.connections == 0


def catalogue(url: str) -> Any:
    """As Keystone has it."""
    endpoints = [
        {"id": "1", "interface": interface, "region": region, "region_id": region, "url": f"{place}/v2/"}
        for interface in ("public", "internal")
        for region, place in (("One", "http://127.0.0.1:1"), ("Two", url))
    ]
    return {"catalog": [{"type": "identity", "endpoints": endpoints}, {"type": "image", "endpoints": endpoints}]}


async def test_a_region_is_looked_up_in_the_catalogue_of_keystone() -> None:
    glance = Glance()
    async with reading(glance, in_catalogue=True) as (source, server):
        glance.catalogue = catalogue(f"http://127.0.0.2:{server.port}")
        assert await read(source) == DATA
        for image in (RemoteImage("Three", ID, token="the-token"), RemoteImage("Two", ID, "admin", "the-token")):
            with pytest.raises(SourceForbidden, match=r"no (public|admin) endpoint"):
                await read(source, image)
        with pytest.raises(SourceRefused, match="Keystone answered 401"):
            await read(source, RemoteImage("Two", ID, token="x"))


@pytest.mark.parametrize("document", [None, [], {"catalog": 1}, {"catalog": [{"type": "image"}]}, {"catalog": ["x"]}])
async def test_a_catalogue_that_is_none_has_no_services(document: Any) -> None:
    glance = Glance(catalogue=document)
    async with reading(glance, in_catalogue=True) as (source, _):
        with pytest.raises(SourceForbidden):
            await read(source)


@pytest.mark.parametrize("make", [lambda _: "no object", lambda _: [], lambda _: {"status": 1}])
async def test_a_record_that_is_none_is_refused(make: Callable[[Any], Any]) -> None:
    glance = Glance()
    glance.record = make(None)
    assert isinstance(await failure_of(glance), SourceRefused)


async def test_a_service_that_is_down_is_unavailable() -> None:
    async with reading(Glance()) as (source, _):
        pass
    async with reading(Glance()) as (source, _):
        source._remotes = {"Two": "http://127.0.0.2:1"}
        with pytest.raises(SourceUnavailable):
            await read(source)


async def test_a_region_that_nobody_named_is_refused_before_anything_is_asked() -> None:
    async with reading(Glance()) as (source, server):
        for image in (RemoteImage("Four", ID), RemoteImage("Two", ID, "private")):
            source.check(image)  # as in Glance it is the import that fails, not the request
            with pytest.raises(SourceForbidden):
                async with source.open(image):
                    pass
        source.check(IMAGE)
        with pytest.raises(SourceForbidden):
            source.check(RemoteImage("Two", "foo"))
    assert server.connections == 0
