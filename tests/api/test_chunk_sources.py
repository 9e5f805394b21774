"""What the chunks of a view are sent from: all their bytes in order, and no descriptor stays open."""

import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from threading import Thread

import pytest

from packed import run
from stillage.api.http.chunk_sources import BytesSource, Joined, sources_of
from stillage.errors import StoreFailed
from stillage.formats.views.base import Blank
from stillage.ids import BlobKey
from stillage.operations.disks.chunks import Chunk, Stretch
from stillage.stores.abilities import Sends, Source
from stillage.stores.base import BlobReader
from stillage.stores.files.blobs import FileStore

KEY = BlobKey("ab" * 16)
STORED = run("noise", 1, 3 << 20)
BATCHES: list[list[Chunk]] = [
    [b"header", Blank(700_000), Stretch(5, 2_000_000)],
    [b"x" * 300_000],
    [Stretch(0, 1), Blank(1), Stretch(3 << 19, 3 << 19)],
]
SENT = b"".join(
    chunk if isinstance(chunk, bytes)
    else bytes(chunk.length) if isinstance(chunk, Blank)
    else STORED[chunk.offset : chunk.offset + chunk.length]
    for batch in BATCHES for chunk in batch
)  # fmt: skip


class Far:
    """A blob that is not a local file, but can be sent from."""

    async def sources(self, first: int, length: int) -> AsyncGenerator[Source]:
        for at in range(first, first + length, 1 << 20):
            yield BytesSource(STORED[at : min(at + (1 << 20), first + length)])


@pytest.fixture
async def blob(tmp_path: Path) -> AsyncIterator[BlobReader]:
    store = FileStore(tmp_path)
    async with store.writer(KEY) as writer:
        await writer.write(STORED)
        await writer.commit()
    async with store.reader(KEY) as reader:
        yield reader
    store.close()


async def batches(made: Sequence[Sequence[Chunk]] = BATCHES) -> AsyncGenerator[Sequence[Chunk]]:
    for batch in made:
        yield batch


async def received(blob: Sends, made: Sequence[Sequence[Chunk]] = BATCHES) -> bytes:
    """What arrives through a socket that takes little at once."""
    ours, theirs = socket.socketpair()
    parts: list[bytes] = []
    reading = Thread(target=lambda: parts.extend(iter(lambda: theirs.recv(70_000), b"")))
    reading.start()
    ours.setblocking(False)
    try:
        async for source in sources_of(blob, batches(made)):
            while source.left:
                try:
                    source.send(ours.fileno())
                except BlockingIOError:
                    continue
            source.close()
    finally:
        ours.close()
        reading.join()
        theirs.close()
    return b"".join(parts)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_every_byte_arrives_in_order(blob: BlobReader) -> None:
    assert isinstance(blob, Sends)
    before = open_files()
    assert await received(blob) == SENT
    assert open_files() == before


async def test_stretches_of_a_blob_elsewhere_are_sent_as_its_store_sends_them() -> None:
    assert await received(Far()) == SENT


async def test_a_stretch_beyond_the_end_is_an_error_and_not_an_end(blob: BlobReader) -> None:
    assert isinstance(blob, Sends)
    with pytest.raises(StoreFailed):
        await received(blob, [[Stretch(len(STORED) - 5, 6)]])


async def test_what_was_not_sent_is_closed_as_well(blob: BlobReader) -> None:
    assert isinstance(blob, Sends)
    before = open_files()
    async for source in sources_of(blob, batches()):
        source.close()
    assert open_files() == before


def test_a_joined_source_counts_what_is_left() -> None:
    joined = Joined([BytesSource(b"abc"), BytesSource(b"de")])
    reader, writer = os.pipe()
    try:
        joined.send(writer)
        assert joined.left == 2
        joined.send(writer)
        assert (joined.left, os.read(reader, 9)) == (0, b"abcde")
    finally:
        os.close(reader)
        os.close(writer)
