"""`api.http.sending`: a download that ends before its last byte, and one that is as fast as the server."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, web

from serving import serving
from stillage.api.http.sending import BLOCK, send
from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.files.blobs import FileStore
from stillage.stores.streams import blocks_of

KEY = BlobKey("ab" * 16)
SIZE = 4 << 20
TIMEOUT_S = 60.0


class Held:
    """Stands in for `os.sendfile`: waits until it may go on, and looks what its descriptors are then."""

    def __init__(self, sendfile: Callable[..., int]) -> None:
        self._sendfile = sendfile
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()
        self.were: list[str] = []
        self.are: list[str] = []

    def __call__(self, *arguments: int) -> int:
        self.were = _meant_by(arguments)
        self.begun.set()
        self.go_on.wait(TIMEOUT_S)
        self.are = _meant_by(arguments)
        try:
            return self._sendfile(*arguments)
        finally:
            self.ended.set()


def _meant_by(arguments: tuple[int, ...]) -> list[str]:
    return [str(Path(f"/proc/self/fd/{descriptor}").readlink()) for descriptor in arguments[:2]]


async def test_a_download_that_is_ended_leaves_its_thread_the_descriptors_that_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they name when they are closed may be another client, and another's image."""
    held = Held(os.sendfile)
    monkeypatch.setattr(os, "sendfile", held)
    store = FileStore(tmp_path)
    async with store.writer(KEY) as writer:
        await writer.write(os.urandom(SIZE))
        await writer.commit()
    handlers: list[asyncio.Task[None]] = []

    async def download(request: web.Request) -> web.StreamResponse:
        handlers.append(asyncio.current_task())  # type: ignore[arg-type]
        response = web.StreamResponse(headers={"Content-Length": str(SIZE)})
        async with store.reader(KEY) as reader:
            await response.prepare(request)
            await send(request, response, reader, 0, SIZE)
        return response

    application = web.Application()
    application.router.add_get("/", download)
    try:
        async with serving(application) as url, ClientSession() as session:
            asked = asyncio.create_task(_read_all(session, url))
            assert await asyncio.to_thread(held.begun.wait, TIMEOUT_S)
            handlers[0].cancel()
            with pytest.raises(ClientError):
                await asyncio.wait_for(asked, TIMEOUT_S)
            others = [os.open(tmp_path, os.O_RDONLY) for _ in range(8)]  # would get the numbers of closed ones
            held.go_on.set()
            assert await asyncio.to_thread(held.ended.wait, TIMEOUT_S)
            for other in others:
                os.close(other)
    finally:
        held.go_on.set()
        store.close()
    assert held.are == held.were


class AtHand:
    """A blob without a descriptor, its bytes there at once. Notes at each read how many turns the loop has had."""

    size = SIZE

    def __init__(self) -> None:
        self.turns = 0
        self.turns_at_read: list[int] = []
        self._loop = asyncio.get_running_loop()
        self._turn()

    def _turn(self) -> None:
        self.turns += 1
        self._loop.call_soon(self._turn)

    def read(self, offset: int, length: int) -> asyncio.Future[bytes]:  # noqa: ARG002 - they are all alike
        self.turns_at_read.append(self.turns)
        done: asyncio.Future[bytes] = self._loop.create_future()
        done.set_result(bytes(length))
        return done

    def stream(self, first: int, length: int, block: int) -> AsyncGenerator[bytes | bytearray]:
        return blocks_of(self.read, Span(first, first + length), block)


async def test_a_fast_client_leaves_the_loop_to_others_after_each_block() -> None:
    blob = AtHand()

    async def download(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(SIZE)})
        await response.prepare(request)
        await send(request, response, blob, 0, SIZE)
        return response

    application = web.Application()
    application.router.add_get("/", download)
    async with serving(application) as url, ClientSession() as session:
        await asyncio.wait_for(_read_all(session, url), TIMEOUT_S)
    turns = blob.turns_at_read[1:]  # the first two are read together
    assert len(turns) == SIZE // BLOCK - 1
    assert all(later > earlier for earlier, later in pairwise(turns))


async def _read_all(session: ClientSession, url: str) -> None:
    async with session.get(url) as answer:
        await answer.read()
