"""Restore a backup to a new data folder.

The database comes last: until then the folder has none, and a restore that was interrupted goes on
when it is run again.
"""

from pathlib import Path

from stillage.db import Engine, schema, snapshot
from stillage.db.session import make_engine
from stillage.errors import BadSettings
from stillage.operations.backup.blobs import BlobCopies
from stillage.operations.backup.contents import BUCKETS, DATABASE, KEYS, SECRET, STORES, read_summary
from stillage.operations.backup.files import copy_private, copy_tree, disk_trouble, new_name, replace_durably
from stillage.operations.backup.making import Node
from stillage.stores.files.disk import make_folder


def restore(folder: Path, node: Node) -> BlobCopies:
    """Restore the backup in *folder*. Returns what was copied, and what is damaged.

    Args:
        folder: Of the backup; it is not changed.
        node: Where to; its data folder exists, and is locked.

    Raises:
        BadSettings: If there is no complete backup, or the data folder has a database, or a store has no folder.
        StorageFull, StoreReadOnly, StoreFailed: If a disk fails. Run it again to go on.
    """
    summary = read_summary(folder)
    database = node.data / DATABASE
    if database.exists():
        raise BadSettings(f"{node.data} has a database already; restore to an empty folder, with --data")
    with disk_trouble("be restored"):
        sources = {store: folder / STORES / store for store in node.stores if store not in summary["left_out"]}
        copies = BlobCopies(sources, node.stores)
        snapshot.discard(new_name(database))
        copy_private(folder / DATABASE, new_name(database))
        engine = make_engine(f"sqlite:///{new_name(database)}")
        try:
            schema.require_usable(engine)
            _copy_blobs(engine, copies)
        finally:
            engine.dispose()
        _require_folders(copies, summary["left_out"])
        copies.sync()
        _copy_keys(folder, node)
        replace_durably(database)
    return copies


def _copy_blobs(engine: Engine, copies: BlobCopies) -> None:
    with engine.connect() as connection:
        for wanted in copies.missing(connection):
            if (held := copies.hold(wanted)) is None:
                copies.damage[wanted.key] = "the backup does not have it"
            else:
                copies.complete(wanted, held)


def _require_folders(copies: BlobCopies, left_out: list[str]) -> None:
    if unknown := copies.left_out - set(left_out):
        raise BadSettings(
            f"the backup has images of the stores {', '.join(sorted(unknown))}, which the settings do not name;"
            " add them to the settings file, and give it with --config"
        )


def _copy_keys(folder: Path, node: Node) -> None:
    _restore_secret(folder / SECRET, node.secret)
    make_folder(node.data / "tls")
    for path in (path for pattern in KEYS for path in folder.glob(pattern)):
        copy_private(path, node.data / path.relative_to(folder))
    if (folder / BUCKETS).is_dir():
        copy_tree(folder / BUCKETS, node.data / BUCKETS)


def _restore_secret(kept: Path, secret: Path) -> None:
    if not secret.exists():
        copy_private(kept, secret)
    elif secret.read_bytes() != kept.read_bytes():
        raise BadSettings(f"{secret} is not the secret of the backup; move it away, or give another --data")
