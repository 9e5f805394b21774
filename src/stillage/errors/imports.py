"""What stops an import: of staged bytes, from a URL or another image service, or to another store."""

from collections.abc import Sequence

from stillage.errors.base import Conflict, InvalidInput, NotFound


class ImportMethodUnknown(InvalidInput):
    """There is no such import method, or the operator has not enabled it."""

    code = "import_method_unknown"
    fix = "use one of the methods in GET /v2/info/import"

    def __init__(self, method: str, enabled: Sequence[str]) -> None:
        which = f"use one of: {', '.join(enabled)}" if enabled else "no import method is enabled here"
        super().__init__(f"unknown import method {method[:64]!r}; {which}")


class StagingDisabled(NotFound):
    """Bytes cannot be staged here: nothing could import them."""

    code = "staging_disabled"
    fix = "upload the file with PUT /v2/images/{image_id}/file, or ask the operator to enable glance-direct"

    def __init__(self) -> None:
        super().__init__(f"the import method glance-direct is not enabled here; {self.fix}")


class ImportRunning(Conflict):
    """Another import has the image."""

    code = "import_running"
    fix = "wait until it has ended; GET /v2/images/{image_id}/tasks shows it"

    def __init__(self, image_id: str, task: str) -> None:
        super().__init__(f"an import of image {image_id} is running, as task {task}; {self.fix}")


class NotReadyForImport(Conflict):
    """The image is not in the status that the import method needs, or lacks a format."""

    code = "not_ready_for_import"
    fix = "do what the message says, and import it again"


class AlreadyInStore(InvalidInput):
    """The image already has a copy in the store to which it is to be copied."""

    code = "already_in_store"
    fix = "leave the store out, or use all_stores"

    def __init__(self, image_id: str, store_id: str) -> None:
        super().__init__(f"image {image_id} already has a copy in the store {store_id!r}; {self.fix}")


class StagedBytesGone(Conflict):
    """What was staged for the import has expired, or was removed."""

    code = "staged_bytes_gone"
    fix = "stage the file again"

    def __init__(self, image_id: str, why: str) -> None:
        super().__init__(f"the staged bytes of image {image_id} are gone: {why}; {self.fix}")


class CopyDiffers(Conflict):
    """A copy could not be made, because the bytes to copy are not those of the image's record."""

    code = "copy_differs"
    fix = "run `stillage scrub`, and upload the image again if no copy is good"

    def __init__(self, image_id: str, store_id: str, what: str) -> None:
        super().__init__(f"the copy of image {image_id} in the store {store_id!r} is damaged: {what}; {self.fix}")
