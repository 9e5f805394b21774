"""The stores that contract tests run on, and a store without any of their abilities."""

import asyncio
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from sqlalchemy import Connection, update

from s3_server import s3_store
from stillage.db import images, placements, tables, usage
from stillage.db.session import Database
from stillage.ids import BlobKey, BlobRef, ImageId, StoreId
from stillage.images.image import Image
from stillage.images.quota import Usage, scope_of_project
from stillage.images.upload import Kept
from stillage.spans import Span, gaps, intersection
from stillage.stores.abilities import KeepsOpen, Lists, Measures, ResumableStore, Sends, Source
from stillage.stores.base import BlobReader, Store
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.files.blobs import FileStore
from stillage.stores.memory import MemoryStore
from stillage.stores.s3.blobs import S3Store

KEY = BlobKey("0f" * 16)
SHARD = 0x0F
MIB = 1 << 20
FILES = StoreId("files")
"""The store of most tests."""


class WholeStore(ResumableStore, KeepsOpen, Lists, Measures, Protocol):
    """A store with every ability; a test uses those that it asks for with `having`."""


def memory_store(_folder: Path) -> MemoryStore:
    return MemoryStore()


def file_store(folder: Path) -> FileStore:
    return FileStore(folder / "blobs")


STORES: dict[Callable[[Path], Store], type] = {memory_store: MemoryStore, file_store: FileStore, s3_store: S3Store}
"""A new store adds a line: the suite in ``tests/contract/test_store.py`` is the definition of what it promises."""


def having(*abilities: type) -> pytest.MarkDecorator:
    """Run a test on every store that has all of *abilities*."""
    makers = [make for make, kind in STORES.items() if all(issubclass(kind, ability) for ability in abilities)]
    return pytest.mark.parametrize("store", makers, indirect=True)


class Remembered:
    """What the database does for a store: it knows what was kept of the bytes that count; who counts first wins."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []

    def count(self, kept: Sequence[Kept]) -> None:
        replaced = {name for part in kept for name in part.replaces}
        self._kept = [part for part in self._kept if part.name not in replaced]
        for part in kept:
            if part.name not in replaced:
                missing = gaps([known.span for known in self._kept], part.span)
                self._kept = sorted(
                    [*self._kept, *(Kept(gap, part.name) for gap in missing)], key=lambda each: each.span
                )

    async def recall(self, span: Span) -> Sequence[Kept]:
        cut = [Kept(intersection(part.span, span), part.name) for part in self._kept]
        return [part for part in cut if part.span.length]


def only(store: Store) -> Stores:
    """The stores of a deployment that has no other."""
    return Stores([NamedStore(FILES, store, "file", "")], default=FILES)


def in_files(key: BlobKey) -> BlobRef:
    return BlobRef(FILES, key)


async def key_of(database: Database, image: Image) -> BlobKey:
    """Where the only copy of an image's bytes is."""
    (placement,) = await database.read(placements.of_image, image.id)
    return placement.blob.key


async def copied(database: Database, stores: Stores, image_id: ImageId, store: StoreId) -> BlobRef:
    """Give an image a copy in another store, as a job would that has verified it."""
    (placement,) = await database.read(placements.of_image, image_id)
    blob = BlobRef(store, BlobKey(uuid4().hex))
    async with stores.reader(placement.blob) as reader, stores.writer(blob, reader.size) as writer:
        await writer.write(bytes(await reader.read(0, reader.size)))
        await writer.commit()
    await database.write(_add_copy, image_id, placement.blob, blob)
    return blob


def _add_copy(connection: Connection, image_id: ImageId, like: BlobRef, blob: BlobRef) -> None:
    image = images.get(connection, image_id)
    names = ("size", "checksum", "os_hash_algo", "os_hash_value")
    digests = {name: getattr(image, name) for name in names}
    placements.begin(connection, image_id, blob, image.owner, image.size or 0, image.updated_at)
    placements.publish(connection, image_id, blob, image.updated_at, digests)
    this_image = tables.images.c.id == image_id
    connection.execute(update(tables.images).where(this_image).values(stores=(like.store, blob.store)))
    usage.change(connection, scope_of_project(image.owner), Usage(bytes=image.size or 0))


class Bare:
    """*real*, of which nobody can ask more than what every store can do."""

    def __init__(self, real: Store) -> None:
        self.writer = real.writer
        self.reader = real.reader
        self.delete = real.delete
        self.check = real.check
        self.close = real.close


class BareResumable(Bare):
    """The same, with partial blobs."""

    def __init__(self, real: ResumableStore) -> None:
        super().__init__(real)
        self.begin = real.begin
        self.partial = real.partial
        self.drop_partial = real.drop_partial


async def put(store: Store, *blocks: bytes, key: BlobKey = KEY) -> None:
    async with store.writer(key) as writer:
        for block in blocks:
            await writer.write(block)
        await writer.commit()


async def read_all(store: Store, key: BlobKey = KEY) -> bytes:
    async with store.reader(key) as reader:
        return bytes(await reader.read(0, 64 * MIB))


async def sent(reader: BlobReader, first: int, length: int) -> bytes:
    """Return what threads send of a blob, whose store can do that, into a socket that is often full."""
    assert isinstance(reader, Sends)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs.makefile("rb") as file:
        receiving = asyncio.create_task(asyncio.to_thread(file.read))
        with theirs, ours:
            async for source in reader.sources(first, length):
                await asyncio.to_thread(_send, source, ours)
        return await receiving


def _send(source: Source, connection: socket.socket) -> None:
    with closing(source):
        while source.left:
            with suppress(BlockingIOError):
                source.send(connection.fileno())
                continue
            select.select([], [connection], [])
