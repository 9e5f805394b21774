"""What is wrong with a store, where bytes are kept; and requests that name a store which cannot do what they ask."""

from collections.abc import Sequence

from stillage.errors.base import Conflict, InvalidInput, NotFound, StillageError, TooLarge, Unavailable


class BlobNotFound(NotFound):
    """The store has no blob with this key."""

    code = "blob_not_found"
    fix = "run `stillage scrub`, which marks the images whose files are missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"the store has no blob {key!r}")
        self.key = key


class StorageFull(TooLarge):
    """The store has no room."""

    code = "storage_full"
    fix = "make room in the store; resumable uploads keep what had arrived"


class StoreStalled(Unavailable):
    """The store does not answer: its disk hangs, or all its threads wait for a disk that does."""

    code = "store_stalled"
    fix = "check the disk of the store"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"the store did not answer for {timeout_s:g} seconds; try again later", retry_after_s=30)


class StoreReadOnly(Unavailable):
    """The store cannot be written."""

    code = "store_read_only"
    fix = "check the permissions and the mount options of the store"


class StoreRefused(Unavailable):
    """The object store refuses every request: because of its settings, the credentials, or a clock."""

    code = "store_refused"
    fix = "correct the setting that the message names"


class StoreFailed(StillageError):
    """The store failed to read or write: an I/O error that trying again does not cure."""

    code = "store_failed"
    fix = "check the disk of the store"


class StoreUnknown(StillageError):
    """The bytes are in a store that the settings no longer have."""

    code = "store_unknown"
    fix = "add the store to the settings again"

    def __init__(self, store_id: str) -> None:
        super().__init__(f"the bytes are in the store {store_id!r}, which this server does not have; ask the operator")


class CannotTakeFile(StillageError):
    """A file cannot become a blob without a copy of it."""

    code = "cannot_take_file"
    fix = "put the store on the file system of the files and run as their owner, or serve them with --read-only"

    def __init__(self, why: str) -> None:
        super().__init__(f"cannot take over a file: {why}; {self.fix}")


class NothingCached(NotFound):
    """No store has a cache, so there is nothing in one and nothing to put into one."""

    code = "nothing_cached"
    fix = "ask the operator to give a store a cache (cache_bytes)"

    def __init__(self) -> None:
        super().__init__(f"no store of this service has a cache; {self.fix}")


class NoSuchStore(InvalidInput):
    """The request names a store that is not here."""

    code = "no_such_store"
    fix = "use one of the stores in GET /v2/info/stores"

    def __init__(self, store_id: str, known: Sequence[str]) -> None:
        super().__init__(f"unknown store {store_id[:64]!r}; use {one_of(known)}")


class StoreTakesNoUploads(Conflict):
    """The store that the request names takes no uploads, or none of this kind."""

    code = "store_takes_no_uploads"
    fix = "use another store, or what the message says"

    def __init__(self, store_id: str, why: str) -> None:
        super().__init__(f"the store {store_id!r} {why}")


def one_of(names: Sequence[str]) -> str:
    """Return *names* as a choice in a sentence."""
    return " or ".join(repr(name) for name in names)
