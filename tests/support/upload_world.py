"""A database, a store and the resumable uploads of one process, for tests of uploads."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import builders
from fakes import Clock, OpenRights
from stillage.db import images as db
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import (
    BodyIncomplete,
)
from stillage.formats.safety import Policy
from stillage.ids import BlobKey
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.quota import Quotas
from stillage.images.upload import Digests, Expected, Piece, Progress, Upload
from stillage.operations.resumable.rights import Rights
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upkeep.digesting import Digesting
from stillage.operations.upload.acceptance import UploadRules
from stillage.stores.abilities import ResumableStore
from stillage.stores.catalog import Stores
from stillage.stores.files.blobs import FileStore
from stores import key_of, only

MIB = 1 << 20
ME = builders.principal("lab", "member")
DATA = random.Random(1).randbytes(3 * MIB + 77)
RULES = UploadRules(
    max_image_bytes=64 * MIB,
    hash_algorithm="sha512",
    may_be_empty=frozenset({"raw"}),
    recordable_formats=frozenset(),
    format_property=None,
    lease_s=60,
    policy=Policy(),
    quotas=Quotas(),
    spare_bytes=0,
)


@dataclass
class World:
    database: Database
    store: FileStore
    clock: Clock
    uploads: Uploads

    async def image(self, **changes: Any) -> Image:
        image = builders.image(id=str(uuid4()), owner="lab", disk_format="raw", container_format="bare", **changes)
        await self.database.write(db.add, image)
        return image

    async def open(self, size: int | None = len(DATA), digests: Digests = (), **changes: Any) -> Upload:
        return await self.uploads.open(ME, (await self.image(**changes)).id, Expected(size, digests))

    async def send(self, upload: Upload, first: int, end: int, data: bytes = DATA, **more: Any) -> Progress:
        return await self.uploads.receive(upload, Piece(first, end - first, **more), sliced(data[first:end]))

    async def now(self, upload: Upload) -> Upload:
        return await self.uploads.find(ME, upload.image_id, upload.id)

    async def record(self, upload: Upload) -> Image:
        return await self.database.read(db.get, upload.image_id)

    async def stored(self, image: Image) -> bytes:
        async with self.store.reader(await key_of(self.database, image)) as reader:
            return bytes(await reader.read(0, 64 * MIB))

    async def digested(self) -> None:
        """Make the digests of the pieces of what is stored, as upkeep does."""
        await Digesting(self.database, only(self.store))()

    def path_of(self, key: BlobKey) -> Path:
        return self.store.root / key[:2] / key

    def files(self) -> list[Path]:
        return [path for path in self.store.root.rglob("*") if path.is_file()]


async def sliced(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def cut(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise BodyIncomplete("the connection broke")


def uploads_of(
    database: Database,
    store: ResumableStore | Stores,
    clock: Clock,
    owner: LeaseOwner,
    rules: UploadRules = RULES,
    rights: Rights | None = None,
) -> Uploads:
    return Uploads(
        database,
        store if isinstance(store, Stores) else only(store),
        access=Access({}),
        rights=rights or OpenRights(),
        rules=rules,
        secret=b"secret",
        owner=owner,
        max_age_s=3600,
        clock=clock,
    )


@asynccontextmanager
async def a_world(
    database: Database, folder: Path, clock: Clock, rules: UploadRules = RULES, rights: Rights | None = None
) -> AsyncIterator[World]:
    store = FileStore(folder / "blobs")
    uploads = uploads_of(database, store, clock, LeaseOwner.parse("node/1"), rules, rights)
    yield World(database, store, clock, uploads)
    await uploads.close()
    store.close()
