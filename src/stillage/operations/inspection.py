"""Inspect the bytes of an image as an upload would, without storing them: a dry run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import inspections as db
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import ImageTooLarge, SizeMismatch, StillageError
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration
from stillage.formats.stream import Examination
from stillage.formats.verdict import Verdict, verdict
from stillage.images.access import Access
from stillage.images.quota import Quotas
from stillage.lanes import Lane
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.upload.acceptance import UploadRules
from stillage.operations.upload.pipeline import blocks_of

log = structlog.get_logger()


class Inspect:
    """``POST /v2/images/inspect``. While it runs, it counts as an upload of the node and the principal's project."""

    def __init__(
        self,
        database: Database,
        *,
        access: Access,
        rules: UploadRules,
        owner: LeaseOwner,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._access = access
        self._policy = rules.policy
        self._may_be_empty = rules.may_be_empty
        self._limit = rules.max_image_bytes
        self._quotas: Quotas = rules.quotas
        self._lease = timedelta(seconds=rules.lease_s)
        self._owner = owner
        self._clock = clock
        self._ending: set[asyncio.Task[None]] = set()

    async def __call__(
        self,
        principal: Principal,
        body: AsyncIterator[bytes],
        declaration: Declaration,
        *,
        size: int | None,
        partial: bool,
    ) -> Verdict:
        """Return the verdict: as soon as the image would be refused, otherwise when *body* has ended.

        Args:
            principal: Needs the right to create images. The inspection counts in their project.
            body: The image, or its beginning.
            declaration: What the record of the image would declare.
            size: Of the whole image; None if unknown.
            partial: *body* is only the beginning, so what the end of the stream would show is not inspected.

        Raises:
            Forbidden: If *principal* may not create images.
            TooManyUploads: If the project or this node has reached its limit of uploads. The body is unread.
            ImageTooLarge: By the declared size, or when the bytes cross the limit.
            SizeMismatch: If the number of bytes is not the declared one.
            StillageError: What *body* raises.
        """
        self._access.require_role(principal, "add_image", "have images inspected")
        if size is not None and size > self._limit:
            raise ImageTooLarge(self._limit, size)
        async with self._counted(principal):
            return await self._inspect(body, declaration, size=size, partial=partial)

    async def close(self) -> None:
        """Wait until inspections whose clients disconnected are recorded as ended."""
        if self._ending:
            await asyncio.wait(self._ending)

    async def _inspect(
        self, body: AsyncIterator[bytes], declaration: Declaration, *, size: int | None, partial: bool
    ) -> Verdict:
        examination = Examination(FORMATS, size=size)
        received = 0

        def current() -> Verdict:
            findings = examination.findings
            return verdict(findings, declaration, self._policy, size=received, may_be_empty=self._may_be_empty)

        def take(block: bytes) -> Verdict:
            examination.feed(block)
            return current()

        def conclude() -> Verdict:
            if not partial:
                examination.close(None)
            return current()

        async with Lane("inspect") as lane, aclosing(blocks_of(body)) as blocks:
            async for block in blocks:
                received += len(block)
                self._check_size(received, size)
                preliminary = await lane.call(take, block)
                if preliminary.hazards:
                    return preliminary
            if size is not None and received != size and not partial:
                raise SizeMismatch(size, received)
            return await lane.call(conclude)

    @asynccontextmanager
    async def _counted(self, principal: Principal) -> AsyncIterator[None]:
        inspection_id, until = str(uuid4()), self._clock() + self._lease
        begin = self._database.write(
            db.begin, inspection_id, principal.project_id, self._owner, until, self._quotas
        )  # fmt: skip
        beginning = asyncio.ensure_future(begin)
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            self._in_background(self._end_late(inspection_id, beginning))
            raise
        renewing = asyncio.create_task(self._renew(inspection_id))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.shield(self._in_background(self._end(inspection_id)))

    async def _renew(self, inspection_id: str) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            with suppress(StillageError):  # retried; if the database stays unavailable the lease expires
                await self._database.write(db.renew, inspection_id, self._clock() + self._lease)

    async def _end(self, inspection_id: str) -> None:
        try:
            await self._database.write(db.end, inspection_id)
        except StillageError as error:
            # It counts until its lease expires, and a sweep ends it.
            leave_to_sweep("the end of an inspection could not be recorded", error)

    async def _end_late(self, inspection_id: str, beginning: Awaitable[None]) -> None:
        """End an inspection that the database may still begin after its request was cancelled."""
        with suppress(StillageError):
            await beginning
            await self._end(inspection_id)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _check_size(self, received: int, size: int | None) -> None:
        if received > self._limit:
            raise ImageTooLarge(self._limit)
        if size is not None and received > size:
            raise SizeMismatch(size, received)
