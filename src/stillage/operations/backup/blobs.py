"""Copy blobs to a backup, each verified once: what has its own name there is whole."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from stillage.db import Connection
from stillage.db.snapshot import Wanted, published
from stillage.ids import BlobKey, StoreId
from stillage.operations.backup.contents import DAMAGED
from stillage.operations.backup.files import Held, difference, new_name
from stillage.stores.files.disk import make_folder, sync_directory

GONE = "the file is gone"


class BlobCopies:
    """The blobs in folders of *targets*, copied from those of *sources*.

    Attributes:
        damage: What is wrong with bytes, by their key. Those that can be read are kept with the suffix ``.damaged``.
        left_out: Stores that are not among *sources*.
        copied: How many blobs were copied, and are not damaged.
    """

    def __init__(self, sources: Mapping[StoreId, Path], targets: Mapping[StoreId, Path]) -> None:
        self.damage: dict[BlobKey, str] = {}
        self.left_out: set[StoreId] = set()
        self.copied = 0
        self._sources = sources
        self._targets = targets
        self._done: set[BlobKey] = set()

    def missing(self, connection: Connection) -> Iterator[Wanted]:
        """Yield the published blobs that are not there yet."""
        for wanted in published(connection):
            if wanted.store not in self._sources:
                self.left_out.add(wanted.store)
            elif wanted.key not in self._done:
                if self._target(wanted).exists():
                    self._done.add(wanted.key)
                else:
                    yield wanted

    def hold(self, wanted: Wanted) -> Held | None:
        """Hold the bytes of a blob; None if they are gone."""
        target = self._target(wanted)
        make_folder(target.parent.parent)
        make_folder(target.parent)
        source = wanted.below(self._sources[wanted.store])
        for path in (source, _damaged(source)):
            try:
                return Held(path, new_name(target))
            except FileNotFoundError:
                continue
        return None

    def complete(self, wanted: Wanted, held: Held) -> None:
        """Give held bytes their name, after reading them."""
        target = self._target(wanted)
        held.complete()
        new = new_name(target)
        damage = wanted.damage or difference(new, wanted.size, wanted.algorithm, wanted.digest)
        if damage is None:
            new.replace(target)
            self.damage.pop(wanted.key, None)
            self.copied += 1
        else:
            new.replace(_damaged(target))
            self.damage[wanted.key] = damage
        self._done.add(wanted.key)

    def sync(self) -> None:
        """Make the names durable, also those that an interrupted run left."""
        for root in self._targets.values():
            for folder in root.glob("??"):
                sync_directory(folder)

    def remove_others(self, keep: Collection[BlobKey]) -> None:
        """Remove what has none of the keys *keep*."""
        for root in self._targets.values():
            for path in root.glob("??/*"):
                key = BlobKey(path.name.removesuffix(DAMAGED))
                if key not in keep or (path.name != key and key not in self.damage):
                    path.unlink()

    def _target(self, wanted: Wanted) -> Path:
        return wanted.below(self._targets[wanted.store])


def _damaged(path: Path) -> Path:
    return path.with_name(path.name + DAMAGED)
