"""Copy the database of a running server, in SQLite, and hold the bytes of every blob that the copy names.

A blob's bytes are removed only after a commit that says they are not needed any more. So while we hold the right to
write, every published blob is in its store; and a reader that begins meanwhile sees the database as it is then.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text, update

from stillage.db import blobs as blob_rows
from stillage.db import lifecycle
from stillage.db.tables import blobs, images, uploads
from stillage.ids import BlobKey, BlobRef, StoreId

AT_ONCE = 100
KEYS_AT_ONCE = 1000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
ENDED = "the server was restored from a backup that was made while the data arrived; send the file again"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A published blob. *damage*: what is known to be wrong with its bytes."""

    key: BlobKey
    store: StoreId
    size: int
    algorithm: str
    digest: str
    damage: str | None

    def below(self, root: Path) -> Path:
        """Return where a store with the folder *root* keeps it."""
        return root / self.key[:2] / self.key


def published(connection: Connection) -> Iterator[Wanted]:
    """Yield every published blob. Each batch is a query of its own, so that none holds the database for long."""
    last = ""
    query = select(blobs).where(blobs.c.state == "published").order_by(blobs.c.key).limit(KEYS_AT_ONCE)
    while rows := connection.execute(query.where(blobs.c.key > last)).all():
        for row in rows:
            yield Wanted(row.key, StoreId(row.store), row.size, row.os_hash_algo, row.os_hash_value, row.damage)
        last = rows[-1].key


def count_images(connection: Connection) -> int:
    return connection.execute(select(func.count()).where(images.c.status != "deleted")).scalar_one()


def copy_database(live: Engine, target: Path, hold: Callable[[Connection], bool]) -> bool:
    """Copy the database to *target*. False if *hold* says that there is too much to hold yet.

    Args:
        live: Of a server that may run.
        target: A file that is replaced.
        hold: Called with a connection that keeps others from writing; holds the blobs that it sees. It must be quick.
    """
    discard(target)
    with live.connect() as reader:
        with live.connect().execution_options(writes=True) as writer:
            if not hold(writer):
                return False
            reader.execute(text("SELECT 1 FROM blobs LIMIT 1")).all()  # from here on it sees this moment
        copy = sqlite3.connect(target)
        try:
            target.chmod(0o600)
            source = reader.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)  # noqa: S101 - of an engine for SQLite
            source.backup(copy)
        finally:
            copy.close()
    return True


def end_uploads(connection: Connection, now: datetime) -> None:
    """End every running upload of the copy: what had arrived of it is in no backup."""
    connection.execute(update(uploads).values(lease_expires_at=LONG_AGO))
    while claims := lifecycle.expired(connection, now, None, AT_ONCE):
        for claim in claims:
            lifecycle.release_dead(connection, claim, ENDED, now)


def mark_damaged(connection: Connection, wanted: Wanted, damage: str) -> None:
    blob_rows.set_damage(connection, BlobRef(wanted.store, wanted.key), damage)


def discard(database: Path) -> None:
    """Remove a database, and journals of it, which SQLite would add to the next one of its name."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
