"""Sweeps of a full database: ``python -m bench.sweeping [--images 1000000] [--engine sqlite|postgresql] [--json]``.

The same work over a thousand images and over many, in turn: a sweep must not care how many there are, so what counts is
the ratio of the two. The store is in memory; what is measured is the database, and how often it is asked.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from statistics import median
from uuid import uuid4

import structlog
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from bench.listing import database, put_images, settle
from bench.stores import FILES, only
from stillage.db import blobs, lifecycle, uploads
from stillage.db import images as db
from stillage.db.clock import now
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim, Deleted
from stillage.db.session import Database
from stillage.ids import BlobKey, BlobRef, ImageId, ProjectId, UploadId
from stillage.images.image import Image
from stillage.operations.upkeep.sweep import Sweep
from stillage.stores.abilities import OldBlobs
from stillage.stores.memory import MemoryStore

FEW = 1_000
OPEN = 1_000  # resumable uploads that wait for their clients, in both databases
DEAD = 100  # uploads that one sweep ends
WIDTH = 120
BAR = 2.0  # a thousand times as many entries make an index deeper, and the cache of the engine too small
# The blobs of active images, as uploads leave them.
BLOBS = text(
    "INSERT INTO blobs (key, store, state, scrubbed_at, size, checksum, os_hash_algo, os_hash_value, created_at)"
    " SELECT replace(id, '-', ''), 'files', 'published', created_at, size, checksum, os_hash_algo, os_hash_value,"
    " created_at FROM images WHERE status = 'active'"
)
PLACEMENTS = text(
    "INSERT INTO placements (image_id, blob_key, position, owner, reserved)"
    " SELECT id, replace(id, '-', ''), 0, owner, size FROM images WHERE status = 'active'"
)
NAMES = text("UPDATE images SET stores = 'files' WHERE status = 'active'")


class Shelf(MemoryStore):
    """A store whose shards are looked through and found to be as the database says."""

    def __init__(self, keys: list[BlobKey]) -> None:
        super().__init__()
        self._old = keys

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:  # noqa: ARG002 - all are old
        return OldBlobs({key for key in self._old if key.startswith(f"{shard:02x}")}, set())


@dataclass(frozen=True)
class Full:
    """A database with *images* images, and a sweep of it."""

    images: int
    database: Database
    sweep: Sweep

    @classmethod
    async def of(cls, url: str, images: int) -> "Full":
        database = Database(url)
        await database.write(_fill, images)
        await database.write(_begin, OPEN, None, timedelta(days=7))
        settle(database.engine)
        keys = await database.read(lambda c: c.execute(text("SELECT key FROM blobs")).scalars().all())
        return cls(images, database, Sweep(database, only(Shelf([BlobKey(key) for key in keys])), clock=now))


def _fill(connection: Connection, images: int) -> None:
    put_images(connection, images)
    connection.execute(BLOBS)
    connection.execute(PLACEMENTS)
    connection.execute(NAMES)


def _begin(connection: Connection, count: int, owner: LeaseOwner | None, lease: timedelta) -> None:
    for _ in range(count):
        image = Image(ImageId(str(uuid4())), ProjectId("lab"), now(), now())
        db.add(connection, image)
        claim = Claim(UploadId(str(uuid4())), image.id, BlobRef(FILES, BlobKey(uuid4().hex)), owner, 4096)
        lifecycle.claim(connection, claim, now(), now() + lease)


# What is measured; each returns for how many things it was done.


async def nothing_to_do(full: Full) -> int:
    """A sweep that finds nothing."""
    await full.sweep()
    await full.database.read(uploads.unverified, now())
    return 1


async def dead_uploads(full: Full) -> int:
    """For each upload that is ended, its blob included."""
    swept = await full.sweep()
    assert swept.uploads == swept.blobs == DEAD, swept
    return DEAD


async def looking_for_orphans(full: Full) -> int:
    """For each file that is looked up in one of 256 parts of the store."""
    found = await full.sweep.remove_orphans(0, older_than_s=0)
    assert found == 0
    return max(1, full.images // 256)


async def next_to_scrub(full: Full) -> int:
    """Taking the next blob to scrub."""
    assert await full.database.write(blobs.take_for_scrub, [FILES], now(), now()) is not None
    return 1


async def deleting(full: Full) -> int:
    """Deleting an image with data, its blob's row included."""
    some = text("SELECT blob_key, image_id FROM placements LIMIT 1")
    row = await full.database.read(lambda c: c.execute(some).one())
    removed = await full.database.write(lifecycle.mark_deleted, row.image_id, now())
    assert removed == Deleted([BlobRef(FILES, row.blob_key)], [])
    await full.database.write(blobs.forget_blob, row.blob_key)
    return 1


Work = Callable[[Full], Awaitable[int]]
WORKS: list[Work] = [nothing_to_do, dead_uploads, looking_for_orphans, next_to_scrub, deleting]


@dataclass(frozen=True)
class Row:
    """Medians, in microseconds for each thing."""

    engine: str
    what: str
    few: float
    many: float
    ratio: float


async def microseconds(work: Work, full: Full) -> float:
    if work is dead_uploads:
        await full.database.write(_begin, DEAD, LeaseOwner.parse("dead/1"), timedelta(0))
    begun = time.perf_counter()
    count = await work(full)
    return (time.perf_counter() - begun) / count * 1e6


async def compare(engine: str, urls: list[str], images: int, rounds: int) -> list[Row]:
    few, many = await Full.of(urls[0], FEW), await Full.of(urls[1], images)
    rows = []
    for work in WORKS:
        pairs = [(await microseconds(work, few), await microseconds(work, many)) for _ in range(rounds)]
        title = (work.__doc__ or "").rstrip(".")
        ratio = median(b / a for a, b in pairs)
        rows.append(Row(engine, title, median(a for a, _ in pairs), median(b for _, b in pairs), ratio))
    for full in (few, many):
        full.database.close()
    return rows


def measure(engine: str, images: int, rounds: int) -> list[Row]:
    with ExitStack() as stack:
        engines = [stack.enter_context(database(engine)) for _ in range(2)]
        urls = [each.url.render_as_string(hide_password=False) for each in engines]
        return asyncio.run(compare(engine, urls, images, rounds))


def table_of(rows: list[Row], images: int) -> Table:
    table = Table("engine", "what", title="µs for each", title_justify="left")
    for heading in (f"{FEW:,} images", f"{images:,} images", "ratio", "bar", ""):
        table.add_column(heading, justify="right")
    for row in rows:
        verdict = "[green]ok[/]" if row.ratio <= BAR else "[red]above[/]"
        figures = (f"{row.few:,.0f}", f"{row.many:,.0f}", f"{row.ratio:.2f}", f"≤ {BAR:g}")
        table.add_row(row.engine, row.what, *figures, verdict)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9, help="of which the median is taken; default: 9")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    engines = options.engine or ["sqlite", "postgresql"]
    rows = [row for engine in engines for row in measure(engine, options.images, options.rounds)]
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        Console(width=WIDTH).print(table_of(rows, options.images))


if __name__ == "__main__":
    main()
