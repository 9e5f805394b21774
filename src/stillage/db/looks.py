"""When the stores of published blobs were asked what they have, and what they said. Plain functions of a connection."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from stillage.db.columns import EPOCH
from stillage.db.placements import PUBLISHED, ref_of
from stillage.db.tables import blobs
from stillage.ids import BlobKey, BlobRef, StoreId


@dataclass(frozen=True, slots=True)
class Due:
    """A published blob that is to be looked at.

    Attributes:
        version: What its store called it the last time; None if it was never asked.
        damage: What is known to be wrong with it.
    """

    blob: BlobRef
    size: int
    version: str | None
    damage: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be remembered of a look.

    Attributes:
        read_again: The next scrub is to read the blob before others.
    """

    key: BlobKey
    version: str | None
    read_again: bool = False


def due(connection: Connection, store: StoreId, before: datetime, limit: int) -> list[Due]:
    """Return published blobs of a store that were not looked at since *before*."""
    overdue = or_(blobs.c.looked_at.is_(None), blobs.c.looked_at < before)
    query = select(blobs).where(blobs.c.store == store, overdue, PUBLISHED).limit(limit)
    return [Due(ref_of(row), row.size, row.version, row.damage) for row in connection.execute(query)]


def note(connection: Connection, looks: Collection[Seen], now: datetime) -> None:
    """Remember what was seen, all of it *now*."""
    for seen in sorted(looks, key=lambda seen: seen.key):
        values = {"looked_at": now, "version": seen.version} | ({"scrubbed_at": EPOCH} if seen.read_again else {})
        connection.execute(update(blobs).where(blobs.c.key == seen.key).values(values))
