"""The stores of a benchmark: one."""

from stillage.ids import StoreId
from stillage.stores.base import Store
from stillage.stores.catalog import NamedStore, Stores

FILES = StoreId("files")


def only(store: Store) -> Stores:
    """Return the stores of a deployment that has no other than *store*."""
    return Stores([NamedStore(FILES, store, "file", "")], default=FILES)
