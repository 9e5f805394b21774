"""Two transactions on PostgreSQL wait for one another, and never in a circle: see "Quotas" in `docs/design.md`."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text, update
from sqlalchemy.exc import DBAPIError

import builders
from job_world import LIMITS as LIMITS_OF_JOBS
from job_world import ONE, job_id, new_job
from postgres import PostgresServer
from statements import after_each
from stillage.accounts.people import Project, User
from stillage.accounts.principal import Kind
from stillage.db import (
    blobs,
    copies,
    identity,
    images,
    imports,
    job_runs,
    jobs,
    lifecycle,
    members,
    pieces,
    placements,
    rights,
    tables,
    uploads,
)
from stillage.db.blobs import Stored
from stillage.db.imports import Undoing
from stillage.db.job_runs import Hold, News
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.session import make_engine
from stillage.ids import BlobKey, BlobRef, ImageId, JobId, ProjectId, StoreId, UploadId, UserId
from stillage.images.image import Content
from stillage.images.job import Failure, Job
from stillage.images.quota import Limits, Quotas
from stillage.images.status import Status
from stillage.images.upload import Expected, Grant
from stillage.operations.imports.together import Together
from stillage.spans import Span
from stores import FILES, in_files

pytestmark = pytest.mark.thorough

Unit = Callable[[Connection], object]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
CONTENT = Content(50, None, "raw", "c" * 32, "sha512", "d" * 128)
LIMITS = Limits()
LOCKS = re.compile(r"^\s*(INSERT|UPDATE|DELETE)|FOR (UPDATE|SHARE)")


def claim_on(name: str, owner: str | None) -> Claim:
    process = None if owner is None else LeaseOwner.parse(owner)
    return Claim(UploadId(f"upload-{name}"), ImageId(name), in_files(BlobKey(f"blob-{name}")), process, None)


RESUMING, PLAIN, NEW = claim_on("a", None), claim_on("b", "node/1"), claim_on("c", "node/2")
SOURCE = claim_on("d", "node/1")
IMPORTED, TASK = claim_on("e", "node/1"), JobId("task")
SCRUBBED = Stored(SOURCE.blob, 50, "c" * 32, "sha512", "d" * 128, NOW)
COPY = BlobRef(StoreId("cold"), BlobKey("a-copy"))
FIRST = Span(0, 100)
WHOLE, PARTS = job_id(5), {ImageId("f"): job_id(7), ImageId("g"): job_id(6)}
JOB, GONE = Hold(job_id(1), ONE, 1), Failure("gone", "it is gone")


def work_of(image_id: ImageId) -> dict[str, Any]:
    return {"image_id": image_id, "import_req": {}, "backend": [COPY.store]}


def there(connection: Connection) -> None:
    """A resumable upload with a piece, a plain one, a queued image, an active one, and some that are imported."""
    identity.add_project(connection, Project(OPENER.project_id, "mine"), NOW)
    identity.add_user(connection, User(OPENER.user_id, "erin", "-"), NOW)
    identity.grant(connection, OPENER.user_id, OPENER.project_id, "member")
    for name in "abcdefg":
        images.add(connection, builders.image(id=name, owner="mine"))
    imports.begin(connection, IMPORTED.image_id, Status.QUEUED, TASK, [COPY.store], NOW)
    jobs.enqueue(connection, new_job(5, kind="another"), NOW)
    for image_id, part in PARTS.items():
        imports.begin(connection, image_id, Status.QUEUED, part, [COPY.store], NOW)
        connection.execute(update(tables.images).where(tables.images.c.id == image_id).values(stores=(COPY.store,)))
        jobs.enqueue(
            connection, replace(new_job(image_id=image_id, parent=WHOLE), id=part, input=work_of(image_id)), NOW
        )
    uploads.begin(connection, RESUMING, Expected(), NOW, NOW, LIMITS, 1)
    pieces.begin(connection, "piece", RESUMING.upload_id, FIRST, LeaseOwner.parse("node/1"))
    lifecycle.claim(connection, PLAIN, NOW, NOW, reserve=1)
    lifecycle.claim(connection, SOURCE, NOW, NOW, reserve=1)
    lifecycle.publish(connection, SOURCE, CONTENT, NOW)
    jobs.enqueue(connection, new_job(1, image_id=RESUMING.image_id), NOW)
    assert job_runs.take(connection, ONE, ["test"], NOW, LATER, LIMITS_OF_JOBS)
    members.add(connection, images.get(connection, SOURCE.image_id), ProjectId("theirs"), NOW)
    placements.begin(connection, SOURCE.image_id, COPY, ProjectId("mine"), 50, NOW)
    placements.publish(connection, SOURCE.image_id, COPY, NOW, {"size": 50})


def hand_over(connection: Connection) -> None:
    image = images.get(connection, RESUMING.image_id)
    assert images.save(connection, image, replace(image, owner=ProjectId("theirs")))


OPENER = Grant(UserId("erin"), ProjectId("mine"), Kind.TOKEN)


def publish_resumable(connection: Connection) -> None:
    rights.hold(connection, OPENER)
    lifecycle.publish(connection, RESUMING, CONTENT, NOW)


def publish_same(connection: Connection) -> None:
    source = images.get(connection, SOURCE.image_id)
    rights.hold(connection, OPENER)
    uploads.hold_source(connection, source, ProjectId("theirs"))
    uploads.publish_same(connection, RESUMING, CONTENT, source, SOURCE.blob, NOW)


def claim_for_import(connection: Connection) -> None:
    rights.hold(connection, OPENER)
    assert imports.claim(connection, IMPORTED, TASK, NOW, LATER, Quotas(), 50)


def end_import(connection: Connection) -> None:
    rights.hold(connection, OPENER)
    imports.activate(connection, IMPORTED.image_id, TASK, NOW)
    imports.finish(connection, IMPORTED.image_id, TASK, NOW)


def undo(connection: Connection, part: Job) -> None:
    assert part.image_id is not None
    imports.fail(connection, part.image_id, part.id, Undoing("it failed"), NOW)
    lifecycle.mark_deleted(connection, part.image_id, NOW)


class Times:
    """All that ends several imports together wants of its context here."""

    def clock(self) -> datetime:
        return NOW


TOGETHER = Together(Times(), None, undo)  # type: ignore[arg-type]


def fail_together(connection: Connection) -> None:
    whole = jobs.cancel(connection, WHOLE, GONE, NOW)
    assert whole is not None
    TOGETHER.failed(connection, whole)


def end_together(connection: Connection) -> None:
    rights.hold(connection, OPENER)
    TOGETHER._activate(connection, jobs.load(connection, WHOLE))


UNITS: dict[str, Unit] = {
    "claim": lambda c: lifecycle.claim(c, NEW, NOW, NOW, reserve=1),
    "extend": lambda c: blobs.extend(c, PLAIN, 5, LIMITS),
    "publish": lambda c: lifecycle.publish(c, PLAIN, CONTENT, NOW),
    "publish resumable": publish_resumable,
    "publish same": publish_same,
    "claim for an import": claim_for_import,
    "end imports together": end_together,
    "fail imports together": fail_together,
    "delete one of several": lambda c: lifecycle.mark_deleted(c, ImageId("g"), NOW),
    "end an import": end_import,
    "delete source": lambda c: lifecycle.mark_deleted(c, SOURCE.image_id, NOW),
    "delete copy": lambda c: copies.remove(c, SOURCE.image_id, COPY.store, NOW),
    "scrub begins": lambda c: blobs.take_for_scrub(c, [FILES], LATER, LATER),
    "scrub ends": lambda c: blobs.set_damage(c, SCRUBBED.blob, "a bit has turned"),
    "release": lambda c: lifecycle.release(c, PLAIN, "left", NOW),
    "release resumable": lambda c: lifecycle.release(c, RESUMING, "abandoned", NOW),
    "release dead": lambda c: lifecycle.release_dead(c, RESUMING, "expired", LATER),
    "delete resumable": lambda c: lifecycle.mark_deleted(c, RESUMING.image_id, NOW),
    "hand over": hand_over,
    "piece": lambda c: pieces.begin(c, "another", RESUMING.upload_id, FIRST, LeaseOwner.parse("node/2")),
    "piece ends": lambda c: pieces.end(c, "piece"),
    "worker died": lambda c: pieces.end_of_dead(c, LeaseOwner.parse("node/1")),
    "count": lambda c: uploads.count(c, RESUMING.upload_id, FIRST, NOW),
    "keep": lambda c: uploads.keep(c, RESUMING.upload_id, NOW),
    "tell size": lambda c: uploads.tell_size(c, RESUMING.upload_id, 150, LIMITS),
    "accept a job": lambda c: jobs.enqueue(c, new_job(2, image_id=RESUMING.image_id), NOW),
    "renew a job": lambda c: job_runs.renew(c, [News(JOB, "", 0)], NOW, LATER),
    "fail a job": lambda c: job_runs.fail(c, JOB, GONE, NOW),
    "cancel a job": lambda c: jobs.cancel(c, JOB.job_id, GONE, NOW),
    "reserve": lambda c: blobs.reserve(c, RESUMING.blob, 150, LIMITS),
    "share": lambda c: members.add(c, images.get(c, SOURCE.image_id), ProjectId("yard"), NOW),
    "end a share": lambda c: members.remove(c, SOURCE.image_id, "theirs"),
}


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    with postgres.migrated() as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            there(connection)
        yield engine
        engine.dispose()


@contextmanager
def meeting(engine: Engine) -> Iterator["Meeting"]:
    with engine.connect() as one, engine.connect() as two, engine.connect() as observer:
        yield Meeting(one, two, observer)


@contextmanager
def locking_statements(
    connection: Connection, after: Callable[[list[str]], object] = lambda _said: None
) -> Iterator[list[str]]:
    """Collect the statements that lock something, and call *after* with them after each."""
    said: list[str] = []

    def note(statement: str) -> None:
        if LOCKS.search(statement):
            said.append(statement)
            after(said)

    with after_each(connection, note):
        yield said


@dataclass
class Meeting:
    """Two connections whose changes nobody keeps, and one that sees whether they wait."""

    one: Connection
    two: Connection
    observer: Connection
    failed: list[str] = field(default_factory=list)

    def run(self, connection: Connection, unit: Unit) -> None:
        try:
            unit(connection)
        except DBAPIError as error:
            self.failed.append(str(error.orig).splitlines()[0])
        connection.rollback()

    def locks_of(self, unit: Unit) -> int:
        """Return how many locking statements *unit* runs when nobody is in its way."""
        with locking_statements(self.one) as said:
            self.run(self.one, unit)
        return len(said)

    def meet(self, first: Unit, second: Unit, nth: int) -> bool:
        """Run *second* after the *nth* locking statement of *first*, as far as it comes. True if it had to wait."""
        begun: list[threading.Thread] = []
        waited = False

        def after(said: list[str]) -> None:
            nonlocal waited
            if len(said) == nth and not begun:
                begun.append(threading.Thread(target=self.run, args=(self.two, second)))
                begun[0].start()
                while begun[0].is_alive() and not waited:
                    waited = self.waits(process)
                    begun[0].join(0.0005)

        for connection in (self.one, self.two):
            connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
        process = self.two.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with locking_statements(self.one, after):
            self.run(self.one, first)
        for thread in begun:
            thread.join()
        self.two.rollback()
        assert begun, f"there is no statement {nth} that locks"
        return waited

    def waits(self, process: int) -> bool:
        asked = text("SELECT count(*) FROM pg_locks WHERE pid = :process AND NOT granted")
        return bool(self.observer.execute(asked, {"process": process}).scalar())


@pytest.mark.parametrize("first", UNITS)
def test_no_two_wait_for_one_another(engine: Engine, first: str) -> None:
    found: list[str] = []
    names = list(UNITS)
    with meeting(engine) as now:
        last = now.locks_of(UNITS[first])
        for second in names[names.index(first) :]:  # who comes first makes no circle that the other would not
            # What the first holds only grows: who need not wait behind one statement need not behind those before it.
            nth = last
            while nth and now.meet(UNITS[first], UNITS[second], nth):
                nth -= 1
            found += [f"{second}: {why}" for why in now.failed]
            now.failed.clear()
    assert not found
