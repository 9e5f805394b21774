"""What is wrong with an image, its record, or the bytes that are to become its data."""

from collections.abc import Mapping
from typing import Any

from stillage.errors.base import Conflict, Forbidden, InvalidInput, NotFound, StillageError, TooLarge


class ImageNotFound(NotFound):
    """There is no image with this id, or the project may not see it."""

    code = "image_not_found"
    fix = "list the images that the project can see"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"no image {image_id!r} is visible to this project")
        self.image_id = image_id


class NotInTrash(NotFound):
    """The image is not in the trash, or belongs to another project."""

    code = "not_in_trash"
    fix = "list the trash; what was purged cannot be restored"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"no image {image_id!r} is in the trash of this project; {self.fix}")
        self.image_id = image_id


class SizeMismatch(InvalidInput):
    """The number of bytes received is not the number that the request declared.

    A client that logs in again after a 401 resends a body it has already read: zero bytes, with the old size in
    its header. Without this check such an image would become active and empty.
    """

    code = "size_mismatch"
    fix = "send the file again"

    def __init__(self, expected: int, received: int) -> None:
        super().__init__(f"size mismatch: expected {expected} bytes, got {received} bytes; {self.fix}")
        self.expected = expected
        self.received = received


class DigestMismatch(InvalidInput):
    """The bytes received do not have the digest that the request declared."""

    code = "digest_mismatch"
    fix = "send the file again"

    def __init__(self, algorithm: str, expected: str, received: str) -> None:
        super().__init__(
            f"{algorithm} mismatch: the request declared {expected}, the bytes received have {received}; {self.fix}"
        )


class EmptyBody(InvalidInput):
    """The image has no bytes, and its format cannot be empty."""

    code = "empty_body"
    fix = "send the file again"


class ImageTooLarge(TooLarge):
    """The image exceeds the server's limit for one image."""

    code = "image_too_large"
    fix = "ask the operator to raise max_image_bytes"

    def __init__(self, limit: int, size: int | None = None) -> None:
        given = "" if size is None else f", and this one has {size}"
        super().__init__(f"image too large: the limit is {limit} bytes{given}; {self.fix}")
        self.limit = limit
        self.size = size

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"limit": self.limit}


class RecordTooLarge(TooLarge):
    """The name, tags and properties of the image are too large in total."""

    code = "record_too_large"
    fix = "shorten or remove some of them"

    def __init__(self, limit: int, size: int) -> None:
        super().__init__(
            f"record too large: name, tags and values of properties may have {limit} bytes in total, "
            f"and would have {size}; {self.fix}"
        )
        self.limit = limit
        self.size = size


class PropertyMissing(Conflict):
    """The image has no such property to replace or remove."""

    code = "property_missing"
    fix = "use add"

    def __init__(self, op: str, name: str) -> None:
        super().__init__(f"there is no property {name!r} to {op}; {self.fix}")


class ImageProtected(Forbidden):
    """The image is protected from deletion."""

    code = "image_protected"
    fix = "set protected to false first"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"image {image_id} is protected; {self.fix}")


class TooMany(TooLarge):
    """The image would have too many tags, members or properties."""

    code = "too_many"
    fix = "remove some of them"

    def __init__(self, what: str, limit: int, count: int) -> None:
        super().__init__(f"too many {what}: an image may have {limit}, this one would have {count}")
        self.what = what
        self.limit = limit


class NotShareable(Forbidden):
    """Images of this visibility have no members."""

    code = "not_shareable"
    fix = "set visibility to shared"

    def __init__(self, visibility: str) -> None:
        super().__init__(f"only shared images can have members, and this one is {visibility}; {self.fix}")


class SharedWithItself(InvalidInput):
    """An image cannot be shared with the project that owns it."""

    code = "shared_with_itself"
    fix = "name other projects"

    def __init__(self) -> None:
        super().__init__(f"an image cannot be shared with the project that owns it; {self.fix}")


class QuotaExceeded(TooLarge):
    """The project would exceed its quota of images or bytes."""

    code = "quota_exceeded"
    fix = "delete images, or ask the operator for a larger quota"

    def __init__(self, what: str, limit: int, used: int, wanted: int) -> None:
        super().__init__(
            f"quota exceeded: this project may have {limit} {what}; {used} are in use and {wanted} more are "
            f"asked for; {self.fix}"
        )
        self.what = what
        self.limit = limit
        self.used = used


class ContentRejected(StillageError):
    """The image's bytes break a rule; docs/rules.md lists them.

    Attributes:
        rule: The rule's id, for instance ``qcow2.backing-file``.
        offset: Byte offset in the file where it shows, None where no place can be named.
        found: The format found, None while it is unknown.
        declared: The image's ``disk_format``, None when unset.
        fix: The command that would make an acceptable image of it, None when there is none.
    """

    code = "content_rejected"
    fix: str | None = "run the command in the member `fix`, if there is one; docs/rules.md explains each rule"

    def __init__(
        self,
        message: str,
        *,
        rule: str,
        offset: int | None = None,
        found: str | None = None,
        declared: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.offset = offset
        self.found = found
        self.declared = declared
        self.fix = fix

    @property
    def reason(self) -> str:
        place = "" if self.offset is None else f" at byte {self.offset}"
        fix = "" if self.fix is None else f"; to fix it: {self.fix}"
        return f"{self} ({self.rule}{place}){fix}"

    @property
    def facts(self) -> Mapping[str, Any]:
        facts = {
            "rule": self.rule,
            "offset": self.offset,
            "found": self.found,
            "declared": self.declared,
            "fix": self.fix,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


class DiskTooLarge(ContentRejected):
    """The virtual disk is larger than the ``min_disk`` of its image."""

    code = "disk_too_large"
    fix = "raise min_disk, or shrink the disk"


class ImageGone(StillageError):
    """The image was deleted, or taken over by another upload, while its data was arriving."""

    code = "image_gone"
    fix = "create a new image and upload to it"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"image {image_id} was deleted while its data was being received; the bytes were discarded")
        self.image_id = image_id


class DownloadOverdue(StillageError):
    """The image was deleted, and this download did not end within the time it had left."""

    code = "download_overdue"
    fix = "use another image"

    def __init__(self, deleted_s: float) -> None:
        super().__init__(
            f"the image was deleted, and running downloads had {deleted_s:g} seconds to end; this one was cut off"
        )


class ImageDamaged(StillageError):
    """The stored bytes are not the bytes that were uploaded. They are not served."""

    code = "image_damaged"
    fix = "restore the file from a backup, or upload it as a new image"

    def __init__(self, image_id: str, damage: str) -> None:
        super().__init__(f"image {image_id} is damaged at rest: {damage}; {self.fix}")


class NotAdopted(StillageError):
    """An image of a Glance cannot be served here."""

    code = "not_adopted"
    fix = "do what the message says, and run `stillage adopt` again"
