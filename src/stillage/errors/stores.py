"""What is wrong with the place where bytes are stored. The operator can do something about it, the user cannot."""

from stillage.errors.base import NotFound, StillageError, TooLarge, Unavailable


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
