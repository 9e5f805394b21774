"""What stops an upload that takes several requests, in whatever protocol they come."""

from collections.abc import Mapping
from typing import Any

from stillage.errors.base import Conflict, Forbidden, NotFound, StillageError, Unavailable
from stillage.errors.images import DigestMismatch


class UploadNotFound(NotFound):
    """The image has no upload with this name, or the principal may not know of it."""

    code = "upload_not_found"
    fix = "open a new upload"

    def __init__(self, name: str) -> None:
        super().__init__(f"this image has no upload {name[:36]!r}")


class UploadGone(StillageError):
    """The upload has ended without success, and its bytes are gone."""

    code = "upload_gone"
    fix = "open a new upload"

    def __init__(self, upload_id: str, why: str) -> None:
        super().__init__(f"upload {upload_id} has ended: {why}")


class UploadSuspended(Forbidden):
    """The user who opened the upload has lost the right to it. Its bytes are kept until it expires."""

    code = "upload_suspended"
    fix = "restore the rights, or resume with the token of a user who may upload to this image"

    def __init__(self, upload_id: str, why: str) -> None:
        super().__init__(f"upload {upload_id} is suspended: {why}; its bytes are kept until it expires; {self.fix}")
        self.why = why


class UploadComplete(Conflict):
    """The upload already has all its bytes."""

    code = "upload_complete"
    fix = "send no more data"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"upload {upload_id} already has all its bytes; {self.fix}")


class TooManyUploads(StillageError):
    """The project or the server has as many running uploads as it may."""

    code = "too_many_uploads"
    fix = "try again when one has ended"

    def __init__(self, whose: str, limit: int, *, retry_after_s: int = 30) -> None:
        uploads = "upload" if limit == 1 else "uploads"
        super().__init__(f"this {whose} already has {limit} {uploads} running, its limit; {self.fix}")
        self.retry_after_s = retry_after_s


class OffsetMismatch(Conflict):
    """The request does not begin where the upload's bytes end.

    Attributes:
        expected: Offset where they end.
        given: Offset where the request begins.
    """

    code = "offset_mismatch"
    fix = "ask for the upload's offset and resume there"

    def __init__(self, expected: int, given: int) -> None:
        super().__init__(f"the upload resumes at byte {expected}, but this request begins at byte {given}")
        self.expected = expected
        self.given = given

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"expected": self.expected, "given": self.given}


class SizeChanged(Conflict):
    """Two requests of one upload give different sizes for the whole image."""

    code = "size_changed"
    fix = "send the size that the upload was opened with, or open a new upload"

    def __init__(self, known: int, given: int) -> None:
        super().__init__(f"the size of this upload is {known} bytes, but the request says {given}")
        self.known = known
        self.given = given


class BytesDiffer(Conflict):
    """The request sends other bytes for a range that the upload already has."""

    code = "bytes_differ"
    fix = "abandon the upload and begin again"

    def __init__(self, offset: int) -> None:
        super().__init__(f"from byte {offset} on, the upload already has different bytes; {self.fix}")
        self.offset = offset


class TooManySpans(Conflict):
    """The upload has as many separate ranges as it may.

    Attributes:
        first: Offset where the first gap begins.
    """

    code = "too_many_ranges"
    fix = "fill the gaps first"

    def __init__(self, limit: int, first: int) -> None:
        super().__init__(
            f"this upload already has {limit} separate ranges, its limit; {self.fix}, for instance from byte {first} on"
        )
        self.limit = limit
        self.first = first


class PieceTakenOver(Conflict):
    """A newer request sends the same bytes, and has taken over."""

    code = "piece_taken_over"
    fix = "ask for the upload's offset and resume there"

    def __init__(self) -> None:
        super().__init__(f"a newer request sends the same bytes of this upload; {self.fix}")


class PieceHeld(Unavailable):
    """Another request still holds the same bytes, and does not give way: its node hangs or has died.

    On a shared file system the locks of a dead machine stay until that notices; CephFS takes a minute.
    """

    code = "piece_held"
    fix = "try again after the seconds in Retry-After; the bytes that counted are kept"

    def __init__(self) -> None:
        message = "an earlier request holds the same bytes of this upload, because its node hangs or has just died"
        super().__init__(f"{message}; {self.fix}", retry_after_s=10)


class PieceMismatch(DigestMismatch):
    """The bytes of one request do not have the digest it declares. They do not count."""

    code = "piece_digest_mismatch"
    fix = "send these bytes again"


class ProtocolUnknown(StillageError):
    """The client uses a version of an upload protocol that is not supported.

    Attributes:
        known: The version that is.
    """

    code = "unsupported_protocol_version"
    fix = "use the version in Tus-Version"

    def __init__(self, protocol: str, given: str, known: str) -> None:
        super().__init__(f"unsupported {protocol} {given!r}; use {known}")
        self.known = known
