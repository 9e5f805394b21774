"""An image that is being imported, and what converts it: for tests. As a program, converts one until it is killed.

python -m converting_world DATABASE_URL FOLDER IMAGE_ID
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import builders
from fakes import Clock
from packed import run
from stillage.db import images as db
from stillage.db import imports, lifecycle, usage
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import Database
from stillage.ids import BlobKey, ImageId, JobId, UploadId
from stillage.images.image import Image
from stillage.images.quota import Quotas
from stillage.images.status import Status
from stillage.images.upload import Expected
from stillage.operations.disks.converting import Converting
from stillage.operations.disks.opening import Disks
from stillage.operations.disks.wanted import Wanted, wanted_of
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.acceptance import content_of
from stillage.operations.upload.reception import Reception
from stillage.stores.files.blobs import FileStore
from stores import FILES, in_files, only
from upload_world import MIB, RULES, sliced

DISK = run("text", 1, 200_192) + bytes(3 * MIB) + run("noise", 2, 70_144)
TASK = JobId(str(UUID(int=18)))
READY = "converting"


@dataclass
class World:
    database: Database
    store: FileStore
    clock: Clock

    def __post_init__(self) -> None:
        stores = only(self.store)
        self.disks = Disks(self.database, cast("Any", None), slots=1)
        self.reception = Reception(self.database, stores, rules=RULES, clock=self.clock)
        self.converting = Converting(self.database, stores, self.disks, self.reception, RULES, self.clock)
        self.sweep = Sweep(self.database, stores, clock=self.clock)

    async def claim(self, image: Image) -> tuple[Claim, Image]:
        blob = in_files(BlobKey(uuid4().hex))
        claim = Claim(UploadId(str(uuid4())), image.id, blob, LeaseOwner.parse("node/1"), None)
        now = self.clock()
        until = now + timedelta(seconds=RULES.lease_s)
        claimed = await self.database.write(imports.claim, claim, TASK, now, until, Quotas(), MIB)
        assert claimed is not None
        return claim, claimed

    async def imported(self, data: bytes = DISK, disk_format: str = "raw") -> Image:
        """An image whose import has received *data*."""
        image = builders.image(id=str(uuid4()), owner="lab", disk_format=disk_format, container_format="bare")
        await self.database.write(db.add, image)
        assert await self.database.write(imports.begin, image.id, Status.QUEUED, TASK, [FILES], self.clock())
        claim, claimed = await self.claim(image)
        verified = await self.reception.receive(claim, claimed, sliced(data), Expected(len(data)))
        published = await self.database.write(
            lifecycle.publish, claim, content_of(claimed, verified, RULES), self.clock()
        )
        assert published is not None
        return published

    async def convert(self, image: Image, wanted: Wanted, told: list[float] | None = None) -> Image:
        async def progress(fraction: float) -> None:
            if told is not None:
                told.append(fraction)

        claim, claimed = await self.claim(image)
        return await self.converting(claim, claimed, wanted, progress)

    def files(self) -> list[Path]:
        return [path for path in self.store.root.rglob("*") if path.is_file()]

    async def used(self) -> int:
        return (await self.database.read(usage.find, "project:lab")).bytes

    async def close(self) -> None:
        await self.reception.close()
        await self.disks.close()
        self.store.close()


async def convert_for_ever(url: str, folder: Path, image_id: ImageId) -> None:
    world = World(Database(url), FileStore(folder), Clock())
    image = await world.database.read(db.get, image_id)
    while True:
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        other = "qcow2" if image.disk_format == "raw" else "raw"
        image = await world.convert(image, wanted_of(other, None))


if __name__ == "__main__":
    asyncio.run(convert_for_ever(sys.argv[1], Path(sys.argv[2]), ImageId(sys.argv[3])))
