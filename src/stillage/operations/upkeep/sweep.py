"""Sweep: return images of dead uploads to `queued`, and remove bytes that nobody needs.

A sweep may run in any process of any node, at any time, twice at once: every step is a compare-and-set or can be
repeated without harm.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from stillage.db import Connection, blobs, inspections, job_leases, job_runs, lifecycle, pieces, uploads
from stillage.db.leases import Dead
from stillage.db.session import Database
from stillage.errors import StillageError
from stillage.ids import BlobRef, StoreId
from stillage.operations.leftovers import leave_to_sweep
from stillage.stores.abilities import Lists, Partials
from stillage.stores.catalog import NamedStore, Stores

log = structlog.get_logger()

BATCH = 100
# Blobs that cannot be removed, after which a sweep leaves the store alone; fewer do not keep the others.
MOST_FAILURES = 20
EXPIRED = "the upload expired because no more data arrived; send the file again"
Query = Callable[[Connection, StoreId, datetime, int], list[BlobRef]]
DIED = "the server that received the data stopped before it had all of it; send the file again"


@dataclass(frozen=True, slots=True)
class Swept:
    uploads: int
    blobs: int


class Sweep:
    def __init__(self, database: Database, stores: Stores, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._stores = stores
        self._clock = clock

    async def __call__(self, *, dead: Dead | None = None) -> Swept:
        """Clean up once.

        Args:
            dead: Its leases are over, even if they have not run out: a node that starts knows that its earlier
                processes are gone.
        """
        ended = await self.end_dead_uploads(dead=dead)
        return Swept(ended, await self.remove_pending_blobs())

    async def remove_orphans(self, shard: int, *, older_than_s: float) -> int:
        """Remove blobs of one shard of every store that no row names. Returns how many there were.

        There are two ways to such a blob: a process that was thought dead wakes up between committing its bytes and
        learning that it has lost its image, and is killed there; or a disk that hung makes an empty partial blob when
        its upload was given up for that.

        Args:
            shard: Which part of a store, see `Lists.find_old`. A store that cannot list has no known orphans.
            older_than_s: More than any upload can take.
        """
        return sum(
            [await self._remove_orphans_of(one, shard, older_than_s) for one in self._stores if not one.read_only]
        )

    async def _remove_orphans_of(self, named: NamedStore, shard: int, older_than_s: float) -> int:
        store = named.store
        if not isinstance(store, Lists):
            return 0
        old = await store.find_old(shard, older_than_s)
        keys = sorted(old.whole | old.partial)
        # Whatever store the row names: an operator may have renamed this one.
        states = await self._database.read(blobs.states_of_blobs, keys) if keys else {}
        unknown = [key for key in keys if key not in states]
        for key in unknown:
            log.warning("a blob that no row names is removed", store=named.id, key=key)
            await store.delete(key)
        if isinstance(store, Partials):
            for key in sorted(old.partial):
                if states.get(key) == "published":
                    await store.drop_partial(key)
        return len(unknown)

    async def end_dead_uploads(self, *, dead: Dead | None = None) -> int:
        """End dead uploads and return their images to `queued`; needs no store. Returns how many uploads it ended."""
        if dead is not None:
            await self._database.write(pieces.end_of_dead, dead)
            await self._database.write(uploads.drop_verifications_of, dead)
            await self._database.write(job_leases.drop_of, dead)
            await self._database.write(job_runs.give_back_of, dead, self._clock())
        await self._database.write(inspections.end_dead, self._clock(), dead)
        ended = 0
        while claims := await self._database.read(lifecycle.expired, self._clock(), dead, BATCH):
            for claim in claims:
                reason = EXPIRED if claim.is_resumable else DIED
                if await self._database.write(lifecycle.release_dead, claim, reason, self._clock(), dead):
                    log.warning("upload ended", image_id=claim.image_id, upload_id=claim.upload_id, reason=reason)
                    ended += 1
        return ended

    async def remove_pending_blobs(self) -> int:
        """Remove bytes that nobody needs. Returns how many blobs it removed.

        Those in a read-only store stay until it no longer is.
        """
        writable = [one for one in self._stores if not one.read_only]
        for one in writable:
            await self._each(one, blobs.with_late_pieces, self._drop_pieces)
        return sum([await self._each(one, blobs.pending_delete, self._remove) for one in writable])

    async def _each(self, named: NamedStore, query: Query, work: Callable[[BlobRef], Awaitable[None]]) -> int:
        """Do *work* for each blob of a store that *query* finds, until it finds no more. Returns how often it did."""
        done = 0
        failed: set[BlobRef] = set()
        while found := set(await self._database.read(query, named.id, self._clock(), BATCH)) - failed:
            for blob in found:
                try:
                    await work(blob)
                    done += 1
                except StillageError as error:
                    leave_to_sweep("a blob could not be removed", error, store=blob.store, key=blob.key)
                    failed.add(blob)
                    if len(failed) == MOST_FAILURES:
                        return done
        return done

    async def _remove(self, blob: BlobRef) -> None:
        await remove_blob(self._database, self._stores, blob, self._clock())

    async def _drop_pieces(self, blob: BlobRef) -> None:
        """Drop what is left of a resumable upload that is done: who published it may have died before that."""
        await self._stores.drop_partial(blob)
        await self._database.write(blobs.forget_late_pieces, blob.key)


async def remove_blob(database: Database, stores: Stores, blob: BlobRef, now: datetime) -> None:
    """Remove the bytes of a blob that is not published, then its row: in this order nothing on disk is unknown.

    In a read-only store it stays, until a sweep finds that the store no longer is. In one that `ActsLate` the row stays
    for a while, until a sweep has looked once more.

    It asks first, because the answer to a successful `publish` may have been lost on the way.
    """
    if stores.get(blob.store).read_only or await database.read(blobs.is_published, blob.key):
        return
    await stores.delete(blob)
    again_at = stores.look_again_at(blob, now)
    if again_at is None:
        await database.write(blobs.forget_blob, blob.key)
    else:
        await database.write(blobs.look_again, blob.key, now, again_at)
