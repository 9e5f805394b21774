"""The stores of a deployment by name: which one to write to, and in which order to read the copies of an image."""

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from stillage import traces
from stillage.errors import NoSuchStore, StoreTakesNoUploads, StoreUnknown, one_of
from stillage.ids import BlobRef, StoreId
from stillage.images.image import Placement
from stillage.stores.abilities import ActsLate, Caches, KeepsOpen, PartialBlob, Partials, Recall, ResumableStore
from stillage.stores.base import BlobReader, BlobWriter, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamedStore:
    """A store, and what its operator says of it.

    Attributes:
        kind: What the API calls its type.
        read_only: Nothing is written to it or removed from it.
        weight: Copies in stores with a higher one are read first.
        properties: What administrators are shown of it. No secrets.
    """

    id: StoreId
    store: Store
    kind: str
    description: str
    read_only: bool = False
    weight: int = 0
    properties: Mapping[str, Any] = field(default_factory=dict)


class Stores:
    """All stores, iterated over in the order of the settings. A blob is read and written in the store that it names.

    Attributes:
        default: Takes the uploads that name no store.
    """

    def __init__(self, named: Sequence[NamedStore], default: StoreId) -> None:
        """*named*: not empty; *default* is one of them."""
        self._named = {one.id: one for one in named}
        self.default = self._named[default]

    def __iter__(self) -> Iterator[NamedStore]:
        return iter(self._named.values())

    def __len__(self) -> int:
        return len(self._named)

    def get(self, store_id: StoreId) -> NamedStore:
        """Return the store that a blob names; StoreUnknown if the settings do not have it."""
        if store_id not in self._named:
            raise StoreUnknown(store_id)
        return self._named[store_id]

    def find(self, store_id: StoreId) -> NamedStore:
        """Return the store that a client names; NoSuchStore if there is none."""
        if store_id not in self._named:
            raise NoSuchStore(store_id, tuple(self._named))
        return self._named[store_id]

    def chosen(self, store_id: StoreId | None) -> NamedStore:
        """Return the store for an upload that asks for *store_id*; None asks for none.

        Raises:
            NoSuchStore: If there is none with this id.
            StoreTakesNoUploads: If it is read-only.
        """
        chosen = self.default if store_id is None else self.find(store_id)
        if chosen.read_only:
            others = [one.id for one in self if not one.read_only]
            raise StoreTakesNoUploads(chosen.id, f"is read-only; use {one_of(others)}" if others else "is read-only")
        return chosen

    def in_read_order(self, placements: Sequence[Placement]) -> Sequence[Placement]:
        """Return the copies that no scrub found damaged, those in stores of a higher weight first.

        Stores that the settings do not have come last.
        """
        good = [placement for placement in placements if placement.damage is None]
        return sorted(good, key=lambda placement: -self._weight_of(placement.blob.store))

    def keep_until(self, until: datetime) -> Mapping[StoreId, datetime]:
        """Return the stores in which deleted bytes must stay *until* then, or downloads that run would lose them."""
        return {one.id: until for one in self if not _keeps_open(one.store)}

    def writer(self, blob: BlobRef, size: int | None) -> AbstractAsyncContextManager[BlobWriter]:
        return _traced("store write", blob, self.get(blob.store).store.writer(blob.key, size))

    def reader(self, blob: BlobRef) -> AbstractAsyncContextManager[BlobReader]:
        return _traced("store read", blob, self.get(blob.store).store.reader(blob.key))

    def uncached(self, blob: BlobRef) -> AbstractAsyncContextManager[BlobReader]:
        store = self.get(blob.store).store
        return store.uncached(blob.key) if isinstance(store, Caches) else store.reader(blob.key)

    def begin(self, blob: BlobRef) -> Awaitable[None]:
        return self._resumable(blob).begin(blob.key)

    def partial(self, blob: BlobRef, recall: Recall, size: int | None) -> AbstractAsyncContextManager[PartialBlob]:
        return _traced("store partial write", blob, self._resumable(blob).partial(blob.key, recall, size))

    def drop_partial(self, blob: BlobRef) -> Awaitable[None]:
        return self._resumable(blob).drop_partial(blob.key)

    def delete(self, blob: BlobRef) -> Awaitable[None]:
        return self.get(blob.store).store.delete(blob.key)

    def look_again_at(self, blob: BlobRef, now: datetime) -> datetime | None:
        """Return when to look for what the store of *blob* did late; None if it does nothing late."""
        store = self.get(blob.store).store
        return now + timedelta(seconds=store.late_by_s()) if isinstance(store, ActsLate) else None

    async def check(self) -> None:
        """Raise Unavailable unless uploads that name no store can be taken. Another store may be down."""
        await self.default.store.check()

    def close(self) -> None:
        for named in self:
            named.store.close()

    def _resumable(self, blob: BlobRef) -> ResumableStore:
        store = self.get(blob.store).store
        if not isinstance(store, Partials):
            raise StoreTakesNoUploads(blob.store, "takes no resumable uploads; send the file in one request")
        return store

    def _weight_of(self, store_id: StoreId) -> float:
        return self._named[store_id].weight if store_id in self._named else float("-inf")


@asynccontextmanager
async def _traced(name: str, blob: BlobRef, opened: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Make *opened*, with which something happens to *blob*, a part of the trace that runs."""
    with traces.part(name, {"stillage.store": blob.store}):
        async with opened as value:
            yield value


def _keeps_open(store: Store) -> bool:
    return isinstance(store, KeepsOpen) and store.keeps_open()
