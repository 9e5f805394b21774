"""Carry out imports: give an image its bytes in the first store, and copies in the others. The functions of their jobs.

An image becomes active when all its stores are filled, or, if they need not all succeed, when the first one is. An
import that fails leaves nothing: see `db.imports.fail`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from stillage.db import Connection, imports, lifecycle
from stillage.db.imports import Undoing
from stillage.errors import (
    StorageFull,
    StoreFailed,
    StoreReadOnly,
    StoreRefused,
    StoreStalled,
    StoreTakesNoUploads,
    Unavailable,
    UnexpectedFormat,
)
from stillage.identity.vault import Vault
from stillage.ids import ImageId, StoreId
from stillage.images.image import Image
from stillage.images.job import Job, JobKind
from stillage.images.status import Status
from stillage.operations.disks.converting import Converting, target_of
from stillage.operations.disks.wanted import Wanted
from stillage.operations.imports.context import Context
from stillage.operations.imports.copying import copy
from stillage.operations.imports.objects import Objects
from stillage.operations.imports.plan import Plan, object_of, plan_of, remote_image_of, url_of, web_file_of
from stillage.operations.imports.receiving import receive
from stillage.operations.imports.replicating import replicate
from stillage.operations.imports.sources import Opened, Sources
from stillage.operations.imports.staged import Staged
from stillage.operations.imports.together import Together
from stillage.operations.running import Kind, Kinds, Result, Run, Work

log = structlog.get_logger()

OF_A_STORE = (StorageFull, StoreFailed, StoreReadOnly, StoreRefused, StoreStalled, StoreTakesNoUploads)
"""Failures that another store may not have."""
ATTEMPTS = 3
"""After as many, the engine ends a job."""

Open = Callable[[Run, Image], AbstractAsyncContextManager[Opened]]


class Importing:
    """The work of import jobs."""

    def __init__(
        self,
        context: Context,
        staged: Staged,
        converting: Converting,
        sources: Sources,
        objects: Objects,
        vault: Vault,
        *,
        convert_to: str | None,
        deleted_download_s: float,
    ) -> None:
        """*convert_to*: the format of the deployment, see `target_of`."""
        self._converting = converting
        self._convert_to = convert_to
        self._context = context
        self._staged = staged
        self._sources = sources
        self._objects = objects
        self._vault = vault
        self._keep_s = deleted_download_s
        self._together = Together(context, self._fill_of_object, self._creation_failed)

    def kinds(self) -> Kinds:
        works: Mapping[str, Work] = {
            JobKind.IMPORT_STAGED: self._from_staged,
            JobKind.IMPORT_URL: partial(self._from_source, self._open_web),
            JobKind.LOCATION_IMPORT: partial(self._from_source, self._open_web),
            JobKind.IMPORT_REMOTE: partial(self._from_source, self._open_remote),
            JobKind.IMPORT_STORE: self._to_stores,
            JobKind.IMPORT_OBJECT: partial(self._from_source, self._open_object),
        }
        creation = Kind(partial(self._from_source, self._open_object), self._creation_failed)
        return {kind: Kind(work, self._failed) for kind, work in works.items()} | {
            JobKind.CREATE_OBJECT: creation,
            JobKind.CREATE_OBJECT_DATA: creation,
            JobKind.CREATE_OBJECTS: Kind(self._created, self._created_failed),
            JobKind.COPY: Kind(self._replicated, self._creation_failed),
        }

    async def _from_staged(self, run: Run) -> Result:
        """Verify the staged bytes where they are, and copy them to the stores that were asked for."""
        plan = plan_of(run.job)
        part = _Part(run, 0, len(plan.stores) + 1)
        there = await run.step("verify", partial(self._verify, part, plan))
        return await self._fill(run, plan, None, temporary=there)

    async def _verify(self, part: "_Part", plan: Plan) -> StoreId:
        image = await self._context.image(plan)
        before, after = part.halves() if self._wanted_of(image) else (part, part)
        there = await self._staged.verify(plan, before.progress)
        await self._convert(after, plan, there)
        return there

    async def _from_source(self, open_source: Open, run: Run) -> Result:
        return await self._fill(run, plan_of(run.job), open_source)

    async def _created(self, run: Run) -> Result:
        """Create the image of the job, or those of its parts."""
        if run.job.image_id is None:
            return await self._together.work(run)
        return await self._from_source(self._open_object, run)

    async def _to_stores(self, run: Run) -> Result:
        return await self._fill(run, plan_of(run.job), None)

    async def _replicated(self, run: Run) -> Result:
        plan, source = plan_of(run.job), ImageId(run.job.input["source"])
        await run.step("CopyImageInRegionTask", partial(replicate, self._context, plan, source, run.job.project_id))
        await run.step("end", partial(self._end, plan, None))
        return {"image_id": plan.image_id}

    async def _fill(self, run: Run, plan: Plan, open_source: Open | None, temporary: StoreId | None = None) -> Result:
        """Fill every store of *plan*, and end the import. *temporary*: a copy there is needed only until then."""
        failed = await self._fill_all(run, plan, open_source, 0 if temporary is None else 1)
        unneeded = temporary if temporary not in plan.stores else None
        await run.step("end", partial(self._end, plan, unneeded))
        return {"image_id": plan.image_id, "failed": failed}

    async def _fill_of_object(self, run: Run, plan: Plan) -> object:
        return await self._fill_all(run, plan, self._open_object, 0)

    async def _fill_all(self, run: Run, plan: Plan, open_source: Open | None, before: int) -> Mapping[StoreId, str]:
        """Fill every store of *plan*; return why it went on without some. *before*: parts of the progress made yet."""
        failed: dict[StoreId, str] = {}
        for number, store in enumerate(plan.stores):
            part = _Part(run, number + before, len(plan.stores) + before)
            filling = partial(self._fill_one, part, plan, store, open_source)
            if (why := await run.step(f"store {store}", filling)) is not None:
                failed[store] = why
        if len(failed) == len(plan.stores):
            raise StoreFailed("; ".join(dict.fromkeys(failed.values())))
        if plan.only is not None:
            await self._require_format(plan, plan.only)
        return failed

    async def _fill_one(self, part: "_Part", plan: Plan, store: StoreId, open_source: Open | None) -> str | None:
        """Fill one store; return why that was not possible, if the import goes on without it."""
        image = await self._context.image(plan)
        try:
            if store not in image.stores:
                first, part = part.halves() if self._is_converted(plan, image) else (part, part)
                await self._give_bytes(first, plan, store, image, open_source)
            if not plan.copies:
                await self._convert(part, plan, store)
        except OF_A_STORE as error:
            may_pass = isinstance(error, Unavailable) and part.run.job.attempts + 1 < ATTEMPTS
            if plan.must_succeed or may_pass:
                raise
            log.warning("a store could not be filled", image_id=plan.image_id, store=store, why=error.reason)
            await self._note(plan, store, failed=True)
            return error.reason
        await self._note(plan, store)
        if not plan.must_succeed:
            await self._context.write(plan, imports.activate, plan.image_id, plan.task, self._context.clock())
        return None

    async def _give_bytes(
        self, part: "_Part", plan: Plan, store: StoreId, image: Image, open_source: Open | None
    ) -> None:
        if image.stores or open_source is None:
            await copy(self._context, plan, store, part.progress)
            return
        async with open_source(part.run, image) as source:
            log.info("source opened", image_id=image.id, task=plan.task, name=source.name, length=source.length)
            await receive(self._context, plan, store, source, part.progress)

    async def _convert(self, part: "_Part", plan: Plan, store: StoreId) -> None:
        """Convert the disk that was imported, in *store*, if that is wanted, and an earlier run has not done it."""
        image = await self._context.image(plan)
        wanted = self._wanted_of(image)
        if wanted is not None and image.status is Status.IMPORTING:
            claim, claimed = await self._context.claim(plan, store, None)
            await self._converting(claim, claimed, wanted, part.progress)
            log.info("image converted", image_id=image.id, before=image.disk_format, after=wanted.disk_format)

    def _wanted_of(self, image: Image) -> Wanted | None:
        return target_of(image, self._convert_to)

    def _is_converted(self, plan: Plan, image: Image) -> bool:
        return not plan.copies and self._wanted_of(image) is not None

    def _open_web(self, run: Run, image: Image) -> AbstractAsyncContextManager[Opened]:
        return self._sources.web.open(web_file_of(url_of(run.job), image))

    def _open_remote(self, run: Run, image: Image) -> AbstractAsyncContextManager[Opened]:  # noqa: ARG002 - as `Open`
        token = self._vault.open(run.job.id, run.job.sealed or "")
        return self._sources.remote.open(remote_image_of(run.job, token))

    def _open_object(self, run: Run, image: Image) -> AbstractAsyncContextManager[Opened]:  # noqa: ARG002 - as `Open`
        return self._objects.open(run.job.project_id, object_of(run.job))

    async def _require_format(self, plan: Plan, only: Sequence[str]) -> None:
        image = await self._context.image(plan)
        if image.disk_format not in only:
            raise UnexpectedFormat(image.disk_format, only)

    async def _note(self, plan: Plan, store: StoreId, *, failed: bool = False) -> None:
        write = self._context.database.write
        await write(imports.note_store, plan.image_id, plan.task, store, failed=failed)

    async def _end(self, plan: Plan, unneeded: StoreId | None) -> None:
        def end(connection: Connection) -> None:
            now = self._context.clock()
            imports.activate(connection, plan.image_id, plan.task, now)
            if unneeded is not None:
                imports.drop_copy(connection, plan.image_id, plan.task, unneeded, now, self._keep_until())
            imports.finish(connection, plan.image_id, plan.task, now)

        await self._context.write(plan, end)

    def _failed(self, connection: Connection, job: Job) -> None:
        """Undo what the import has done to its image. In the transaction in which the job fails."""
        plan = plan_of(job)
        reason = job.failure.message if job.failure else "the import was given up"
        made = plan.stores if plan.copies and plan.must_succeed else ()
        undoing = Undoing(reason, plan.stores, made, self._keep_until())
        imports.fail(connection, plan.image_id, plan.task, undoing, self._context.clock())

    def _creation_failed(self, connection: Connection, job: Job) -> None:
        """Remove the image that the job has made: nobody else knows of it."""
        self._failed(connection, job)
        lifecycle.mark_deleted(connection, plan_of(job).image_id, self._context.clock())

    def _created_failed(self, connection: Connection, job: Job) -> None:
        undo = self._together.failed if job.image_id is None else self._creation_failed
        undo(connection, job)

    def _keep_until(self) -> Mapping[StoreId, datetime]:
        until = self._context.clock() + timedelta(seconds=self._keep_s)
        return self._context.stores.keep_until(until) if self._keep_s else {}


@dataclass(frozen=True, slots=True)
class _Part:
    """One of *count* equal parts of a run's progress."""

    run: Run
    number: int
    count: int

    def halves(self) -> tuple["_Part", "_Part"]:
        twice = 2 * self.number, 2 * self.count
        return _Part(self.run, twice[0], twice[1]), _Part(self.run, twice[0] + 1, twice[1])

    async def progress(self, fraction: float) -> None:
        await self.run.progress((self.number + fraction) / self.count)
