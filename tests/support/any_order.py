"""Create, upload, leave, delete, patch, crash and sweep in any order, with whatever may fail: the state machine."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

import promises
from any_order_world import (
    LEASE_S,
    AnyStore,
    Body,
    Known,
    Process,
    T,
    Upload,
    begun,
    begun_there,
    ended,
    first_of,
    owner_of,
)
from builders import principal
from fakes import Clock
from faulty import CRASH, DATABASE_POINTS, SHORT, STALL, STORE_POINTS, Crash, Fault
from node_stores import names_in
from stillage.db.session import Database
from stillage.errors import BodyIncomplete, StillageError, StorageFull, StoreFailed, StoreReadOnly, Unavailable
from stillage.images.patch import Operation
from stillage.images.upload import Expected
from stillage.stores.files.blobs import FileStore
from stillage.stores.memory import MemoryStore

# In memory where there is such a file system: nothing here loses its power, and waiting for a disk takes most of the
# time.
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ERIN = principal()
ERRORS: list[Fault] = [
    StorageFull("no room"),
    StoreReadOnly("read-only"),
    StoreFailed("broken"),
    OSError(5, "Input/output error"),
]
WHAT_FAILS = st.one_of(
    st.tuples(st.sampled_from(STORE_POINTS), st.sampled_from([*ERRORS, STALL, CRASH])),
    st.tuples(st.sampled_from(DATABASE_POINTS), st.sampled_from([Unavailable("away"), CRASH])),
    st.just(("read", SHORT)),
)


class AnyOrder(RuleBasedStateMachine):
    """Subclasses say on which database and store."""

    images = Bundle("images")
    uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="stillage-any-order-", dir=QUICK))
        self.loop = asyncio.new_event_loop()
        self.database, self.store = self.make(self.folder)
        self.clock = Clock()
        self.number = 0
        self.known: dict[str, Known] = {}
        self.running: list[Upload] = []
        self.processes: list[Process] = []

    def make(self, folder: Path) -> tuple[Database, AnyStore]:
        raise NotImplementedError

    def files(self) -> Mapping[str, bytes]:
        if isinstance(self.store, MemoryStore):
            return dict(self.store.blobs)
        if isinstance(self.store, FileStore):
            return promises.read_folder(self.store.root)
        return promises.InStore(self.store, names_in(self.store.client), self.do)

    @initialize()
    def start(self) -> None:
        self.processes = [self.started(), self.started()]

    def started(self) -> Process:
        self.number += 1
        return Process(self.database, self.store, self.clock, owner_of(self.number))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def attempt(self, process: Process, work: Coroutine[Any, Any, T]) -> T | None:
        """Do it, let it fail if its process has had bad luck, and bury the process if it died."""
        struck = process.fate.struck
        try:
            return self.do(self.or_stalled(process, work))
        except (StillageError, OSError) as error:
            if process.fate.struck == struck and isinstance(error, OSError | Unavailable | StoreFailed):
                raise
            return None
        except Crash:
            return None
        finally:
            self.bury_the_dead()

    async def or_stalled(self, process: Process, work: Coroutine[Any, Any, T]) -> T:
        """Wait for *work*; what stalls goes on when everybody has seen that it does."""
        task, stalled = begun(work)
        while not task.done():
            await first_of(task, stalled)
            process.fate.go_on()
        return await task

    # Records

    @rule(target=images, which=st.integers(0, 1))
    def create(self, which: int) -> Any:
        process = self.processes[which]
        document = {"disk_format": "raw", "container_format": "bare"}
        image = self.attempt(process, process.images.create(ERIN, document))
        if image is None:
            return multiple()
        self.known[image.id] = Known()
        return image.id

    @rule(image=images, which=st.integers(0, 1), value=st.sampled_from(["a", "b"]))
    def patch(self, image: str, which: int, value: str) -> None:
        process = self.processes[which]
        operation = Operation("add", "note", value)
        patched = self.attempt(process, process.images.update(ERIN, image, [operation]))
        known = self.known[image].properties
        # Without an answer it may have happened.
        known["note"] = {value} if patched is not None else known.get("note", {""}) | {value}

    @rule(image=images, which=st.integers(0, 1))
    def delete(self, image: str, which: int) -> None:
        process, known = self.processes[which], self.known[image]

        async def delete() -> bool:
            await process.images.delete(ERIN, image)
            return True

        done = self.attempt(process, delete())
        known.deleted = True if done or known.deleted else None

    @rule(image=images, which=st.integers(0, 1))
    def read(self, image: str, which: int) -> None:
        process = self.processes[which]

        async def read() -> bytes | None:
            found = await process.download.describe(ERIN, image)
            if not found.has_data:
                return None
            async with process.download.open(found) as reader:
                return bytes(await reader.read(0, 8 << 20))

        struck = process.fate.struck
        data = self.attempt(process, read())
        if data is not None and process.fate.struck == struck:
            assert data in ([self.known[image].data] if self.known[image].data is not None else self.possible(image))

    # Uploads

    @rule(target=uploads, image=images, which=st.integers(0, 1), size=st.sampled_from([None, 0, 5, 300_000, 5 << 20]))
    def begin(self, image: str, which: int, size: int | None) -> Any:
        process, body = self.processes[which], Body()
        work = process.ingest(ERIN, image, body.pieces(), Expected(size))
        upload = Upload(image, process, body, *self.do(begun_there(work)))
        self.running.append(upload)
        self.settle(upload)
        upload.has_begun = body.waits.is_set()
        return upload if not upload.task.done() else multiple()

    @rule(image=images, which=st.integers(0, 1), size=st.sampled_from([0, 5, 1 << 20]), known=st.booleans())
    def upload(self, image: str, which: int, size: int, known: bool) -> None:
        upload = self.begin(image, which, size if known else None)
        if isinstance(upload, Upload):
            self.feed(upload, 1 + self.number, size)
            self.end(upload, None)

    @rule(upload=uploads, byte=st.integers(1, 255), size=st.sampled_from([1, 5, 300_000, 1 << 20]))
    def feed(self, upload: Upload, byte: int, size: int) -> None:
        if not upload.task.done():
            upload.body.put(bytes([byte]) * size)
            self.settle(upload)

    @rule(upload=consumes(uploads))
    def finish(self, upload: Upload) -> None:
        self.end(upload, None)

    @rule(upload=consumes(uploads))
    def leave(self, upload: Upload) -> None:
        self.end(upload, BodyIncomplete("the body ended before its declared end"))

    @rule(upload=consumes(uploads))
    def cancel(self, upload: Upload) -> None:
        upload.body.waits.clear()
        upload.task.cancel()
        self.settle(upload)

    def end(self, upload: Upload, how: BaseException | None) -> None:
        if not upload.task.done():
            upload.body.put(how)
            self.settle(upload)

    def settle(self, upload: Upload) -> None:
        """Let it run until it is done, or waits for its client, or for a store that stalls."""
        self.do(self.settled(upload))
        self.learn(upload)
        self.bury_the_dead()

    async def settled(self, upload: Upload) -> None:
        await first_of(upload.task, upload.body.waits, upload.stalled)
        if upload.task.done():
            # What outlives its request ends, whether it stalls or not.
            closing = asyncio.ensure_future(upload.process.ingest.close())
            while not closing.done():
                await first_of(closing, upload.stalled)
                if upload.stalled.is_set():
                    upload.process.fate.go_on()

    def settle_all(self) -> None:
        """What has let one thing go on may have let others."""
        for upload in list(self.running):
            self.do(self.settled(upload))
            self.learn(upload)

    def learn(self, upload: Upload) -> None:
        """Take note of what the client was told."""
        if not upload.task.done() or upload not in self.running:
            return
        self.running.remove(upload)
        known, sent = self.known[upload.image_id], bytes(upload.body.sent)
        if upload.task.cancelled() or upload.task.exception() is not None:
            known.possible.append(sent)
            known.failed |= upload.has_begun
            return
        assert known.data is None or known.data in known.possible, "acknowledged twice"
        known.data = sent

    # Time and misfortune

    @rule(which=st.integers(0, 1), what=WHAT_FAILS, nth=st.integers(1, 3))
    def something_will_fail(self, which: int, what: tuple[str, Fault], nth: int) -> None:
        self.processes[which].fate.plan(*what, nth=nth)

    @rule(which=st.integers(0, 1))
    def everything_works_again(self, which: int) -> None:
        process = self.processes[which]
        process.fate.forget()
        for upload in [one for one in self.running if one.process is process]:
            self.settle(upload)

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        self.processes[which].fate.dead = True
        self.bury_the_dead()

    def bury_the_dead(self) -> None:
        self.settle_all()
        for which, process in enumerate(self.processes):
            if process.fate.dead:
                self.bury(process)
                self.processes[which] = self.started()

    def bury(self, process: Process) -> None:
        """Take its tasks apart, which can do nothing any more; leave what a crash leaves."""
        process.fate.go_on()
        lost = [upload for upload in self.running if upload.process is process]
        for upload in lost:
            upload.task.cancel()
        self.do(ended([upload.task for upload in lost]))
        self.do(ended([asyncio.ensure_future(process.ingest.close(), loop=self.loop)]))
        for upload in lost:
            self.learn(upload)
        if isinstance(self.store, FileStore):
            for key in self.half_written(process):
                part = self.store.root / key[:2] / f"{key}.part"  # as on a file system where every file has a name
                part.parent.mkdir(exist_ok=True)
                part.write_bytes(b"half an image")

    def half_written(self, process: Process) -> list[str]:
        state = self.state()
        keys = [row.blob_key for row in state.uploads.values() if row.lease_owner == process.owner]
        return [key for key in keys if key not in state.files]

    @rule(which=st.integers(0, 1), how=st.sampled_from(["alone", "both", "restarted", "later", "orphans"]))
    def sweep(self, which: int, how: str) -> None:
        process = self.processes[which]
        if how == "later":
            # Also leases of uploads that run are over then: their process was only slow, and must notice.
            self.clock.advance(LEASE_S + 1)
        if how == "both":
            self.sweep_both()
        elif how == "restarted":
            alive = {process.owner for process in self.processes}
            for number in range(1, self.number + 1):
                if (dead := owner_of(number)) not in alive:
                    self.attempt(self.processes[which], self.processes[which].sweep(dead=dead))
        elif how == "orphans":
            for shard in {int(name[:2], 16) for name in self.files()}:
                self.attempt(self.processes[which], self.processes[which].sweep.remove_orphans(shard, older_than_s=0))
        else:
            self.attempt(process, process.sweep())

    def sweep_both(self) -> None:
        async def both() -> None:
            sweeps = [self.or_stalled(process, process.sweep()) for process in self.processes]
            for result in await asyncio.gather(*sweeps, return_exceptions=True):
                if isinstance(result, BaseException) and not isinstance(result, StillageError | OSError | Crash):
                    raise result

        self.do(both())
        self.bury_the_dead()

    # What must be true

    async def no_transaction_stays_open(self) -> None:
        """A unit of work may outlive a request that was cut off. One that waits for bytes would never end."""
        async with asyncio.timeout(60):
            while self.database.engine.pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.001)

    def state(self) -> promises.State:
        with self.database.engine.connect() as connection:
            return promises.State.read(connection, self.files())

    def possible(self, image_id: str) -> list[bytes]:
        running = [bytes(upload.body.sent) for upload in self.running if upload.image_id == image_id]
        return self.known[image_id].possible + running

    @invariant()
    def promises_hold(self) -> None:
        self.do(self.no_transaction_stays_open())
        state = self.state()
        # A process that was thought dead may commit its bytes after all; they are found as orphans.
        found = [what for what in promises.broken(state) if not what.endswith("has no row")]
        assert not found
        for image_id, known in self.known.items():
            self.image_is(state, image_id, known)

    def image_is(self, state: promises.State, image_id: str, known: Known) -> None:
        image = state.images[image_id]
        if known.deleted is not None:
            assert (image.status == "deleted") == known.deleted
        if image.status == "deleted":
            return
        if image.status == "active":
            (placed,) = state.published_of(image_id)
            data = state.files[placed.key]
            assert data in (self.possible(image_id) if known.data is None else [known.data])
            known.data = data
        else:
            assert known.data is None, f"it was active, and is {image.status}"
        assert image.properties.get("note", "") in known.properties.get("note", {""})

    def teardown(self) -> None:
        try:
            if self.processes:
                self.come_to_an_end()
        finally:
            self.loop.close()
            self.database.close()
            if not isinstance(self.store, MemoryStore):
                self.store.close()
            shutil.rmtree(self.folder)

    def come_to_an_end(self) -> None:
        """Let clients leave, and sweep once: then nothing is left of whatever has happened."""
        for process in self.processes:
            process.fate.forget()
        for upload in list(self.running):
            self.settle(upload)
            self.end(upload, BodyIncomplete("left"))
        self.clock.advance(LEASE_S + 1)
        last = self.started()
        self.do(last.sweep())
        self.clock.advance(LEASE_S)  # and once more for what a bucket may do late
        self.do(last.sweep())
        for shard in {int(name[:2], 16) for name in self.files()}:
            self.do(last.sweep.remove_orphans(shard, older_than_s=0))
        assert promises.unsettled(self.state()) == []
        self.promises_hold()
        for image_id, known in self.known.items():
            if known.failed and known.data is None and known.deleted is False:
                assert self.state().images[image_id].reason, "its owner can read why"


def machine(make: Callable[[Path], tuple[Database, AnyStore]]) -> type[AnyOrder]:
    return type("AnyOrder", (AnyOrder,), {"make": lambda _self, folder: make(folder)})
