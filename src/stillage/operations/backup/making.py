"""Back up a node that may be serving: every blob that the copied database names is in the copy, and verified.

First blobs are copied while the server changes what it likes. When few are left, they are held in the moment of which
the database is copied (`snapshot`). Deletions wait for that moment alone.

DIR/stillage.db              the database, without running uploads
DIR/stores/STORE/xx/KEY      the blobs of a store that is a folder
DIR/secret.key, node-id, clouds.yaml, tls/
DIR/buckets/                 files of users
DIR/backup.json              written last
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stillage import __version__
from stillage.db import Connection, Engine, snapshot
from stillage.db.session import make_engine
from stillage.errors import BadSettings
from stillage.ids import StoreId
from stillage.operations.backup.blobs import GONE, BlobCopies
from stillage.operations.backup.contents import (
    BUCKETS,
    DATABASE,
    KEYS,
    SECRET,
    STORES,
    SUMMARY,
    Summary,
)
from stillage.operations.backup.files import Held, copy_private, copy_tree, disk_trouble, new_name, replace_durably
from stillage.stores.files.disk import make_folder

HELD_AT_ONCE = 200
"""Blobs that are held while nobody can write; each may need a descriptor."""
PASSES = 20
"""After as many, the rest is held however much it is."""
UNLIMITED = 1 << 62


@dataclass(frozen=True)
class Node:
    """What is backed up.

    Attributes:
        data: Its data folder.
        secret: Its file with the secret of the deployment.
        stores: The folders of its stores that are folders.
    """

    data: Path
    secret: Path
    stores: Mapping[StoreId, Path]


def back_up(node: Node, live: Engine, folder: Path, now: datetime) -> Summary:
    """Back up to *folder*, which may have an earlier backup: then only what is new is copied.

    Raises:
        BadSettings: If another backup to the same folder runs.
        StorageFull, StoreReadOnly, StoreFailed: If a disk fails. Run it again to go on.
    """
    with disk_trouble("be backed up"):
        make_folder(folder)
        with _alone(folder):
            return _back_up(node, live, folder, now)


def _back_up(node: Node, live: Engine, folder: Path, now: datetime) -> Summary:
    make_folder(folder / STORES)
    database = folder / DATABASE
    copies = BlobCopies(node.stores, {store: folder / STORES / store for store in node.stores})
    for wanted, held in _copy_database(live, new_name(database), copies):
        copies.complete(wanted, held)
    _copy_keys(node, folder)
    copies.sync()
    copy = make_engine(f"sqlite:///{new_name(database)}")
    try:
        with copy.connect().execution_options(writes=True) as connection, connection.begin():
            _settle(connection, copies, now)
            summary = _summarize(connection, copies, now)
            keep = {wanted.key for wanted in snapshot.published(connection)}
    finally:
        copy.dispose()
    (folder / SUMMARY).unlink(missing_ok=True)
    replace_durably(database)
    summary.write(folder)
    copies.remove_others(keep)
    return summary


def _copy_database(live: Engine, new: Path, copies: BlobCopies) -> list[tuple[snapshot.Wanted, Held]]:
    """Copy all blobs but few, then the database; return the few, held."""
    held: list[tuple[snapshot.Wanted, Held]] = []

    def hold(connection: Connection) -> bool:
        missing = list(copies.missing(connection))
        if len(missing) > most:
            return False
        for wanted in missing:
            if (file := copies.hold(wanted)) is not None:
                held.append((wanted, file))
            else:
                copies.damage[wanted.key] = GONE
        return True

    for at in range(PASSES):
        most = HELD_AT_ONCE if at < PASSES - 1 else UNLIMITED
        _copy_early(live, copies)
        if snapshot.copy_database(live, new, hold):
            break
    return held


def _copy_early(live: Engine, copies: BlobCopies) -> None:
    with live.connect() as connection:
        for wanted in copies.missing(connection):
            connection.rollback()  # to copy takes long, and the next batch shall see what is new
            if (held := copies.hold(wanted)) is not None:
                copies.complete(wanted, held)


def _settle(connection: Connection, copies: BlobCopies, now: datetime) -> None:
    snapshot.end_uploads(connection, now)
    for wanted in snapshot.published(connection):
        if (damage := copies.damage.get(wanted.key)) is not None:
            snapshot.mark_damaged(connection, wanted, damage)


def _summarize(connection: Connection, copies: BlobCopies, now: datetime) -> Summary:
    known = [wanted for wanted in snapshot.published(connection) if wanted.store not in copies.left_out]
    return Summary(
        version=__version__,
        made_at=now.isoformat(timespec="seconds"),
        images=snapshot.count_images(connection),
        blobs=len(known),
        bytes=sum(wanted.size for wanted in known),
        copied=copies.copied,
        damaged=tuple(wanted.key for wanted in known if wanted.key in copies.damage),
        left_out=tuple(sorted(copies.left_out)),
    )


def _copy_keys(node: Node, folder: Path) -> None:
    make_folder(folder / "tls")
    copy_private(node.secret, folder / SECRET)
    for path in (path for pattern in KEYS for path in node.data.glob(pattern)):
        copy_private(path, folder / path.relative_to(node.data))
    if (node.data / BUCKETS).is_dir():
        copy_tree(node.data / BUCKETS, folder / BUCKETS)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BadSettings(f"another backup to {folder} is running; wait for it, or choose another folder") from None
    finally:
        os.close(descriptor)
