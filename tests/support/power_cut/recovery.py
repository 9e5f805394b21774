"""Start on what a power cut has left, as `stillage serve` does, and look whether the promises hold."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select, text

import promises
from fakes import Clock
from power_cut.told import Told
from promises import State
from stillage.db import uploads as db_uploads
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.db.tables import upload_spans, uploads
from stillage.errors import StillageError
from stillage.operations.upkeep.sweep import Sweep
from stillage.spans import Span
from stillage.stores.files.blobs import FileStore
from stores import only
from upload_world import uploads_of

LONG_S = 8 * 86400
"""Longer than an upload lives of which nothing comes."""


class Recovery:
    """Does for one state after the other what a start does, in this process: hundreds of servers would take too long.

    It has one database object for all, whose file is another one each time: what SQLAlchemy has compiled stays.
    """

    def __init__(self, folder: Path, told: Told, node_id: str, began: datetime) -> None:
        """*began*: when the recording did; it is that time still, so that nothing has expired."""
        self._folder = folder
        self._told = told
        self._began = began
        self._node = NodeId(node_id)
        self._database = Database(f"sqlite:///{folder / 'stillage.db'}")
        self._store: FileStore | None = None

    async def broken(self, files: Mapping[str, bytes], answers: int) -> list[str]:
        """Return what of the promises does not hold of *files*, whose client has had so many *answers*."""
        lay_out(self._folder, files)
        self._store = FileStore(self._folder / "blobs")
        try:
            return await self._broken(answers)
        finally:
            self._store.close()
            self._database.engine.dispose()

    def close(self) -> None:
        self._database.close()

    async def _broken(self, answers: int) -> list[str]:
        assert self._store is not None
        clock = Clock(self._began)
        sweep = Sweep(self._database, only(self._store), clock=clock)
        problems = [f"before the start: {what}" for what in await self._database.read(self._look, answers)]
        await sweep(dead=self._node)
        resumable = uploads_of(self._database, self._store, clock, LeaseOwner(self._node, "0"))
        for upload in await self._database.read(db_uploads.unverified, clock()):
            with suppress(StillageError):
                await resumable.verifier.verdict(upload)
        problems += [f"after the start: {what}" for what in await self._database.read(self._look, answers)]
        problems += [f"after the start: {what}" for what in await self._database.read(self._stuck)]
        await resumable.close()
        clock.advance(LONG_S)
        await sweep()
        for shard in (self._folder / "blobs").iterdir():
            await sweep.remove_orphans(int(shard.name, 16), older_than_s=0)
        return problems + [f"in the end: {what}" for what in await self._database.read(self._unsettled)]

    def _look(self, connection: Connection, answers: int) -> list[str]:
        damage = [row for row in connection.execute(text("PRAGMA integrity_check")).scalars() if row != "ok"]
        state = self._state(connection)
        counted = counted_of(connection)
        return [
            *damage,
            *promises.broken(state),
            *self._told.broken(answers, state, {image_id: spans for image_id, (_, spans) in counted.items()}),
            *(f"bytes of {span} of image {i}, which counts, are lost" for i, span in self._lost(state, counted)),
        ]

    def _lost(self, state: State, counted: dict[str, tuple[str, list[Span]]]) -> list[tuple[str, Span]]:
        found = []
        for image_id, (key, spans) in counted.items():
            data = self._told.data[image_id]
            there = state.files.get(f"{key}.part", state.files.get(key, b"")).ljust(len(data), b"\0")
            found += [(image_id, s) for s in spans if there[s.first : s.end] != data[s.first : s.end]]
        return found

    def _stuck(self, connection: Connection) -> list[str]:
        state = self._state(connection)
        held = {row.image_id for row in state.uploads.values() if row.lease_owner is None}
        return [f"image {i} is stuck" for i, row in state.images.items() if row.status == "saving" and i not in held]

    def _unsettled(self, connection: Connection) -> list[str]:
        return promises.unsettled(self._state(connection))

    def _state(self, connection: Connection) -> State:
        return State.read(connection, promises.read_folder(self._folder / "blobs"))


def counted_of(connection: Connection) -> dict[str, tuple[str, list[Span]]]:
    """Return the blob's key and what counts of each resumable upload, by its image."""
    counted: dict[str, tuple[str, list[Span]]] = {}
    for row in connection.execute(select(uploads).where(uploads.c.lease_owner.is_(None))):
        spans = connection.execute(select(upload_spans).where(upload_spans.c.upload_id == row.id))
        counted[row.image_id] = (row.blob_key, [Span(span.first, span.end) for span in spans])
    return counted


def lay_out(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make *folder* hold *files* and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "blobs").mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
