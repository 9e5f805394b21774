"""Every error that Stillage raises on purpose, as one tree. Nothing here knows of HTTP.

An error's text is a sentence for the user: what is wrong, with the numbers, and what to do. What a machine may want
is an attribute. `api.problems` is the one place that turns a class into a status code.
"""

from collections.abc import Collection, Mapping
from typing import Any


class StillageError(Exception):
    """The root. Subclasses are named for the condition they report."""

    @property
    def reason(self) -> str:
        """What remains readable on an image whose upload ended so."""
        return str(self)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a program may want to know, by the names that answers have for it."""
        return {}


class InvalidInput(StillageError):
    """The request says something that cannot be: a wrong type, a bad value, a contradiction."""


class SizeMismatch(InvalidInput):
    """The number of bytes received is not the declared one.

    A client that logs in again after a 401 resends a body it has already read: zero bytes, with the old size in
    its header. Without this check such an image would become active and empty.
    """

    def __init__(self, expected: int, received: int) -> None:
        super().__init__(f"size mismatch: expected {expected} bytes, got {received} bytes; send the file again")
        self.expected = expected
        self.received = received


class DigestMismatch(InvalidInput):
    """The bytes that came do not have the digest that the client declared."""

    def __init__(self, algorithm: str, expected: str, received: str) -> None:
        super().__init__(
            f"{algorithm} mismatch: the request declared {expected}, the bytes received have {received}; "
            "send the file again"
        )


class BodyIncomplete(InvalidInput):
    """The body ended before its declared length, or its chunks were cut or malformed."""


class EmptyBody(InvalidInput):
    """There are no bytes, where only a raw image may be empty."""


class TooManyAccessKeys(InvalidInput):
    """The user has as many permanent keys as he may."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"akSkNumExceed: a user may have {limit} access keys; delete one first")


class Unauthenticated(StillageError):
    """Nobody we know is asking. Says never which part of the credentials was wrong.

    Attributes:
        user_id: Whose login failed, if there is such a user; for the audit, never for who asks.
    """

    def __init__(
        self, message: str = "The request you have made requires authentication.", *, user_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.user_id = user_id


class SignatureRefused(Unauthenticated):
    """A signed request is not believed. The text is what the vendor's gateway says, and no more than that.

    Attributes:
        fault: Which check it did not pass, see `identity.signing.authorization.Fault`; for logs and tests.
    """

    def __init__(self, fault: str, why: str = "verify aksk signature fail") -> None:
        super().__init__(f"Incorrect IAM authentication information: {why}")
        self.fault = fault


class TooManyFailures(StillageError):
    """Too many failed logins from one network; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many failed logins from your network; wait {retry_after_s} seconds and try again")
        self.retry_after_s = retry_after_s


class TooManyAtOnce(StillageError):
    """So much of this is done for one client already; what ends makes room."""

    def __init__(self, what: str, limit: int, *, retry_after_s: int = 2) -> None:
        super().__init__(
            f"{limit} {what} from your network or account are in progress, the most at once; "
            f"try again in {retry_after_s} seconds"
        )
        self.retry_after_s = retry_after_s


class Forbidden(StillageError):
    """The principal may know of the thing, and may not do this to it."""


class UserLimitReached(Forbidden):
    """A user has as much of something as one may have. As with Keystone it is no matter of size."""

    def __init__(self, what: str, limit: int, used: int, fix: str) -> None:
        super().__init__(f"a user may have {limit} {what}, and this one has {used}; {fix}")
        self.limit = limit
        self.used = used


class RightsLost(Forbidden):
    """Whoever was let in before would not be let in now. The text says why."""


class UploadSuspended(Forbidden):
    """Whoever opened a resumable upload has lost the right to. Its bytes are kept until it expires."""

    def __init__(self, upload_id: str, why: str) -> None:
        super().__init__(
            f"upload {upload_id} is suspended: {why}. Its bytes are kept until it expires; "
            "resume when the rights are back, or with the token of somebody who may upload to this image"
        )
        self.why = why


class NotFound(StillageError):
    """There is no such thing, or the principal may not know of it."""


class RouteNotFound(NotFound):
    """No API has this address."""

    def __init__(self) -> None:
        super().__init__("there is nothing at this address")


class ImageNotFound(NotFound):
    def __init__(self, image_id: str) -> None:
        super().__init__(f"no image {image_id!r} is visible to this project")
        self.image_id = image_id


class BlobNotFound(NotFound):
    def __init__(self, key: str) -> None:
        super().__init__(f"no blob {key!r} is published")
        self.key = key


class Conflict(StillageError):
    """The thing is not in the state that this needs."""


class AlreadyExists(Conflict):
    """The name or id is taken. An image's id stays taken after the image is deleted."""


class ImageGone(StillageError):
    """The image was deleted, or taken over, while its bytes were coming in."""

    def __init__(self, image_id: str) -> None:
        super().__init__(f"image {image_id} was deleted while its data was being received; the bytes were discarded")
        self.image_id = image_id


class DownloadOverdue(StillageError):
    """The image was deleted, and this download of it did not end in time."""

    def __init__(self, deleted_s: float) -> None:
        super().__init__(
            f"the image was deleted, and its downloads had {deleted_s:g} seconds more; this one is cut off"
        )


class UploadNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no upload {name[:36]!r} of this image is known here")


class UploadGone(StillageError):
    """A resumable upload has ended without success, and its bytes are gone."""

    def __init__(self, upload_id: str, why: str) -> None:
        super().__init__(f"upload {upload_id} has ended: {why}")


class OffsetMismatch(Conflict):
    """The piece does not begin where the upload's bytes end. *expected* is where that is."""

    def __init__(self, expected: int, given: int) -> None:
        super().__init__(f"the upload goes on at byte {expected}, and this request begins at {given}")
        self.expected = expected
        self.given = given

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"expected": self.expected, "given": self.given}


class BytesDiffer(Conflict):
    """The piece says something else of bytes that are here already."""

    def __init__(self, offset: int) -> None:
        super().__init__(
            f"other bytes than these were received before, from byte {offset} on; abandon the upload to begin anew"
        )
        self.offset = offset


class SizeChanged(Conflict):
    """Two requests of one upload differ in how large the whole is."""

    def __init__(self, known: int, given: int) -> None:
        super().__init__(f"this upload has {known} bytes in all, and the request says {given}")
        self.known = known
        self.given = given


class UploadComplete(Conflict):
    """An upload has all its bytes; more cannot be added."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"upload {upload_id} is complete, and takes no more")


class TooManySpans(Conflict):
    """The upload has gaps enough: a piece must go on where bytes end. *first*: where that is."""

    def __init__(self, limit: int, first: int) -> None:
        super().__init__(
            f"this upload already has {limit} separate ranges, its limit; fill the gaps first, "
            f"for instance from byte {first} on"
        )
        self.limit = limit
        self.first = first


class PieceTakenOver(Conflict):
    """Another request sends the same bytes: the newer one goes on."""

    def __init__(self) -> None:
        super().__init__("another request sends the same bytes of this upload; ask where it stands, and go on there")


class PieceMismatch(DigestMismatch):
    """The bytes of a piece do not have its digest. They do not count."""


class ProtocolUnknown(StillageError):
    """The client speaks a version of a protocol that is not known here. *known*: the one that is."""

    def __init__(self, protocol: str, given: str, known: str) -> None:
        super().__init__(f"{protocol} {given!r} is not spoken here; {known} is")
        self.known = known


class TooLarge(StillageError):
    """Something is beyond a limit, and it will be the next time as well."""


class ImageTooLarge(TooLarge):
    def __init__(self, limit: int, size: int | None = None) -> None:
        got = f"{size} bytes" if size is not None else "more"
        super().__init__(f"an image may have {limit} bytes, and this one has {got}; raise max_image_bytes to allow it")
        self.limit = limit
        self.size = size

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"limit": self.limit}


class RecordTooLarge(TooLarge):
    """The record of an image has more text than one may have."""

    def __init__(self, limit: int, size: int) -> None:
        super().__init__(
            f"the record is too large: name, tags and values of properties may have {limit} bytes in all, "
            f"and this one would have {size}; shorten or remove some"
        )
        self.limit = limit
        self.size = size


class HeadTooLarge(TooLarge):
    """The header fields of a request are too large in sum."""


class SignedBodyTooLarge(TooLarge):
    """A signed request has a larger body than one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Request entity too large. The body of a signed request may have {limit} bytes; "
            "with a token in X-Auth-Token there is no such limit"
        )


class StorageFull(TooLarge):
    """The store has no room. Loud in the log; the user can only ask the operator."""


class QuotaExceeded(TooLarge):
    """The project may not have so much."""

    def __init__(self, what: str, limit: int, used: int, wanted: int) -> None:
        super().__init__(
            f"this project may have {limit} {what}; {used} are in use and {wanted} more are asked for. "
            "Delete images, or ask the operator"
        )
        self.what = what
        self.limit = limit
        self.used = used


class TooManyUploads(StillageError):
    """As many uploads run as may; one that ends makes room."""

    def __init__(self, whose: str, limit: int, *, retry_after_s: int = 30) -> None:
        super().__init__(f"{limit} uploads of this {whose} are running, and more may not; try again when one has ended")
        self.retry_after_s = retry_after_s


class ImageDamaged(StillageError):
    """The bytes at rest are not the bytes that were stored. They are not served."""

    def __init__(self, image_id: str, damage: str) -> None:
        super().__init__(f"image {image_id} is damaged at rest: {damage}; restore it, or upload it as a new image")


class MethodNotAllowed(StillageError):
    """The address is there, and not for this method."""

    def __init__(self, method: str, allowed: Collection[str]) -> None:
        super().__init__(f"{method} is not possible here; {', '.join(sorted(allowed))} is")
        self.allowed = allowed


class WrongMediaType(StillageError):
    """The request's Content-Type or Content-Encoding is not one that this call takes.

    Attributes:
        accepted: Media types of patches that it would take; empty where it is no patch.
    """

    def __init__(self, message: str, accepted: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.accepted = accepted


class ContentRejected(StillageError):
    """The image's bytes break a rule.

    Attributes:
        rule: The rule's id, for instance ``qcow2.backing-file``.
        offset: Byte offset in the file where it shows, None where no place can be named.
        found: The format found, None while it is unknown.
        declared: The image's ``disk_format``, None when unset.
        fix: The command that would make an acceptable image of it, None when there is none.
    """

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
    """The disk inside does not fit the ``min_disk`` of its image."""


class RangeNotSatisfiable(StillageError):
    """The Range header asks for bytes that are not there, of an image of `size` bytes."""

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(f"range {asked!r} cannot be served; the image has {size} bytes")
        self.size = size


class PeerTooSlow(StillageError):
    """The client sent nothing for the whole idle limit."""

    def __init__(self, idle_s: float) -> None:
        super().__init__(f"no byte arrived for {idle_s:g} seconds; the upload was abandoned, send the file again")


class RateTooLow(StillageError):
    """The client sends, and so slowly that it would take for ever."""

    def __init__(self, rate: float, least: float) -> None:
        super().__init__(
            f"{rate:.0f} bytes came in a second, and {least:.0f} are the least here; send the file over a faster line"
        )


class Unavailable(StillageError):
    """A part that this needs does not answer now; the same request may succeed later."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SecretUnreadable(StillageError):
    """The secret of an access key was encrypted under another deployment's secret."""

    def __init__(self, access: str) -> None:
        super().__init__(
            f"the secret of access key {access} cannot be decrypted: it was made under another secret.key; "
            "delete the key and make a new one"
        )


class RequestTooLong(Unavailable):
    """A request that moves no image data, or does not yet, took longer than any may."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"this took longer than {limit_s:g} seconds and was given up; try again, or ask the operator")


class StoreStalled(Unavailable):
    """The store does not answer: its disk hangs, or all its threads wait for one that does."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"the store did not answer for {timeout_s:g} seconds; try again later", retry_after_s=30)


class StoreReadOnly(Unavailable):
    """The store refuses writes."""


class StoreFailed(StillageError):
    """The store failed while reading or writing: an I/O error that no retry of ours will cure."""


class InternalError(StillageError):
    """Something failed that nobody foresaw. What it was stays in the log."""

    def __init__(self) -> None:
        super().__init__("internal error; the server's log has it under this request id")


class BadSettings(StillageError):
    """A setting cannot be used; the text names it, its value and what is allowed."""
