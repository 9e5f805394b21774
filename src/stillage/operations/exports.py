"""Export images: write their disk to a new object of a bucket, in the format that is asked for.

The object appears when it is whole, and never in place of another one. Source: IMS API Reference, "Exporting an Image".
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, blobs, jobs
from stillage.db import images as db_images
from stillage.db.session import Database
from stillage.errors import ImageDamaged, ImsRefusal, ObjectExists, ObjectNotFound
from stillage.formats.base import SECTOR
from stillage.ids import JobId
from stillage.images import ims_export
from stillage.images.access import Access, Seen
from stillage.images.image import Image
from stillage.images.ims_export import Export
from stillage.images.job import Job, JobKind, NewJob
from stillage.images.object_name import parse as parse_object
from stillage.lanes import Lane
from stillage.operations.disks.converting import Converted, Converting
from stillage.operations.disks.wanted import require_fits, wanted_of
from stillage.operations.download import Download
from stillage.operations.jobs import Queue
from stillage.operations.running import Kind, Kinds, Result, Run
from stillage.operations.upload.verification import BLOCK
from stillage.stores.base import Block
from stillage.stores.buckets.base import Bucket
from stillage.stores.buckets.catalog import Buckets

log = structlog.get_logger()


class Exports:
    """``POST /v1/cloudimages/{image_id}/file``."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        download: Download,
        converting: Converting,
        buckets: Buckets,
        *,
        access: Access,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._queue = queue
        self._download = download
        self._converting = converting
        self._buckets = buckets
        self._access = access
        self._clock = clock

    async def __call__(self, principal: Principal, image_id: str, export: Export, request_id: str) -> Job:
        """Return the job that exports the image.

        Raises:
            ImageNotFound, Forbidden, ImageDamaged: If the principal may not read it, or nobody can.
            ImsRefusal: If it cannot be exported, or another export of it runs.
            DiskDoesNotFit: If the format cannot hold its disk.
            BucketNotFound: If the project may not write there.
            ObjectExists: If there is an object of the name.
        """
        image = await self._download.describe(principal, image_id)
        ims_export.require_exportable(image, principal.project_id, export)
        # It writes to a bucket of the project: who may only read there may not.
        self._access.require_allowed(principal, "modify_image", Seen(image))
        await self._require_possible(image, export.disk_format)
        await self._require_absent(principal, export)
        new = NewJob(
            JobId(str(uuid4())),
            JobKind.EXPORT_OBJECT,
            principal.project_id,
            principal.user_id,
            image_id=image.id,
            input={"image_id": image.id, "target": str(export.target), "disk_format": export.disk_format},
            request_id=request_id,
        )
        job = await self._database.write(self._accept, new, image)
        await self._queue.accepted(job)
        log.debug("export accepted", image_id=image.id, task=job.id, target=str(export.target))
        return job

    def kinds(self) -> Kinds:
        return {JobKind.EXPORT_OBJECT: Kind(self._run)}

    async def _require_possible(self, image: Image, disk_format: str) -> None:
        if image.virtual_size and not await self._is_in(image, disk_format):
            require_fits(wanted_of(disk_format, None), -(-image.virtual_size // SECTOR) * SECTOR)

    async def _require_absent(self, principal: Principal, export: Export) -> None:
        bucket = self._buckets.of(principal.project_id, export.target.bucket, write=True)
        try:
            await bucket.head(export.target.key)
        except ObjectNotFound:
            return
        raise ObjectExists(str(export.target))

    def _accept(self, connection: Connection, new: NewJob, image: Image) -> Job:
        if jobs.hold_image(connection, image.id, (JobKind.EXPORT_OBJECT,)):
            raise ImsRefusal("IMG.0148", f"image {image.id} is being exported; wait for that job to end")
        return jobs.enqueue(connection, new, self._clock())

    async def _run(self, run: Run) -> Result:
        target = parse_object("bucket_url", run.job.input["target"])
        bucket = self._buckets.of(run.job.project_id, target.bucket, write=True)
        image = await self._database.read(db_images.get, run.job.input["image_id"])
        await run.step("ExportImageTask", partial(self._export, run, image, bucket, target.key))
        return {"image_id": image.id, "target": str(target)}

    async def _export(self, run: Run, image: Image, bucket: Bucket, key: str) -> None:
        if run.is_first or not await self._is_exported(run, image, bucket, key):
            await self._write(run, image, bucket, key)

    async def _is_exported(self, run: Run, image: Image, bucket: Bucket, key: str) -> bool:
        """True if an earlier run has made the object, and died before it could say so: then it has these bytes."""
        try:
            found = await bucket.head(key)
        except ObjectNotFound:
            return False
        async with (
            await self._opened(image, run.job.input["disk_format"]) as source,
            bucket.read(key, found) as stored,
        ):
            if source.length not in (None, found.size):
                return False
            return await _digest_of(source.chunks) == await _digest_of(stored)

    async def _write(self, run: Run, image: Image, bucket: Bucket, key: str) -> None:
        done = 0
        async with await self._opened(image, run.job.input["disk_format"]) as source, bucket.create(key) as writer:
            length = source.length or image.virtual_size or 1
            async for chunk in source.chunks:
                await writer.write(chunk)
                done += len(chunk)
                await run.progress(min(1.0, done / length))
            await writer.commit()
        log.info("image exported", image_id=image.id, target=run.job.input["target"], size=done)

    async def _opened(self, image: Image, disk_format: str) -> AbstractAsyncContextManager[Converted]:
        """Return what opens the image in this format: its own bytes, if they are that already."""
        if await self._is_in(image, disk_format):
            return self._as_it_is(image)
        return self._converting.open(image, wanted_of(disk_format, None))

    async def _is_in(self, image: Image, disk_format: str) -> bool:
        inside = await self._database.read(blobs.inside, image.id)
        return disk_format == (inside.found or image.disk_format)

    @asynccontextmanager
    async def _as_it_is(self, image: Image) -> AsyncIterator[Converted]:
        async with (
            self._download.open(image) as reader,
            aclosing(reader.stream(0, reader.size, BLOCK)) as blocks,
            aclosing(_verified(image, blocks)) as verified,
        ):
            yield Converted(reader.size, verified)


async def _verified(image: Image, blocks: AsyncIterator[Block]) -> AsyncGenerator[bytes]:
    """Pass on the bytes; ImageDamaged at their end, if they are not those of the record."""
    digest = hashlib.new(image.os_hash_algo or "sha512", usedforsecurity=False)
    async with Lane(f"export-{image.id[:8]}") as hashing:
        async for block in blocks:
            await hashing.submit(digest.update, block)
            yield bytes(block)
        found = await hashing.call(digest.hexdigest)
    if found != image.os_hash_value:
        raise ImageDamaged(image.id, f"its bytes have the digest {found}, not the one of its record")


async def _digest_of(chunks: AsyncIterator[bytes]) -> bytes:
    digest = hashlib.sha256(usedforsecurity=False)
    async with Lane("export-compare") as hashing:
        async for chunk in chunks:
            await hashing.submit(digest.update, chunk)
        return await hashing.call(digest.digest)
