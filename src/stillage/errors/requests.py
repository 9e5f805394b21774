"""What is wrong with a request as such, whatever it asks for, and with its connection."""

from collections.abc import Collection, Sequence
from typing import Self

from stillage.errors.base import InvalidInput, NotFound, StillageError, TooLarge, Unavailable


class RouteNotFound(NotFound):
    """No API has a resource at this URL."""

    code = "route_not_found"
    fix = "compare the path with the API's documentation"

    def __init__(self) -> None:
        super().__init__("there is no resource at this URL")


class MalformedRequest(InvalidInput):
    """What arrived is not an HTTP request."""

    code = "malformed_request"
    fix = "correct the client, or use HTTPS where the server does"

    def __init__(self, why: str) -> None:
        super().__init__(f"this is not a well-formed HTTP request: {why}")


class MethodNotAllowed(StillageError):
    """The resource does not support this method."""

    code = "method_not_allowed"
    fix = "use one of the methods in Allow"

    def __init__(self, method: str, allowed: Collection[str]) -> None:
        *others, last = sorted(allowed)
        methods = f"{', '.join(others)} or {last}" if others else last
        super().__init__(f"{method} is not allowed here; use {methods}")
        self.allowed = allowed


class HeadTooLarge(TooLarge):
    """The header fields of the request are too large in total."""

    code = "head_too_large"
    fix = "send fewer or shorter header fields"

    def __init__(self, limit: int) -> None:
        super().__init__(f"header fields too large: the limit is {limit} bytes in total; {self.fix}")


class BodyMissing(InvalidInput):
    """The request needs a JSON body, and has none."""

    code = "body_missing"
    fix = "send the JSON document that the API describes"

    def __init__(self) -> None:
        super().__init__(f"the request needs a JSON body; {self.fix}")


class WrongMediaType(StillageError):
    """The Content-Type or Content-Encoding is not supported here.

    Attributes:
        accepted: Media types of patches that it would take; empty where it is no patch.
    """

    code = "unsupported_media_type"
    fix = "use the Content-Type that the message names"

    def __init__(self, message: str, accepted: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.accepted = accepted

    @classmethod
    def of(cls, given: str, wanted: Sequence[str], accepted: tuple[str, ...] = ()) -> Self:
        """Return the error for the Content-Type *given*, empty if there is none, where *wanted* are supported."""
        what = f"unsupported Content-Type {given[:100]!r}" if given else "Content-Type is missing"
        return cls(f"{what}; use {' or '.join(wanted)}", accepted)


class RangeNotSatisfiable(StillageError):
    """The Range header asks for bytes beyond the end of the image."""

    code = "range_not_satisfiable"
    fix = "ask for bytes below the size in Content-Range"

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(f"range {asked!r} cannot be served; the image has {size} bytes")
        self.size = size


class BodyIncomplete(InvalidInput):
    """The body ended before its declared length, or its chunks were cut or malformed."""

    code = "body_incomplete"
    fix = "send the body again"


class PeerTooSlow(StillageError):
    """The client sent nothing for the whole idle limit."""

    code = "idle_timeout"
    fix = "send the file again; resumable uploads keep what had arrived"

    def __init__(self, idle_s: float) -> None:
        super().__init__(f"no byte arrived for {idle_s:g} seconds, so the upload was ended; send the file again")


class RateTooLow(StillageError):
    """The client sends more slowly than the server's minimum rate."""

    code = "rate_too_low"
    fix = "use a faster connection"

    def __init__(self, rate: float, least: float) -> None:
        super().__init__(
            f"{rate:.0f} bytes/s arrived, less than the minimum of {least:.0f}, so the upload was ended; {self.fix}"
        )


class RequestTooLong(Unavailable):
    """A request that moves no image data, or not yet, exceeded its time limit."""

    code = "request_timeout"
    fix = "try again; if it happens again, tell the operator"

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the request took longer than {limit_s:g} seconds, its limit; {self.fix}")


class TooManyAtOnce(StillageError):
    """The client has as many requests of this kind in progress as it may."""

    code = "too_many_requests"
    fix = "wait until one has ended"

    def __init__(self, what: str, limit: int, *, retry_after_s: int = 2) -> None:
        super().__init__(
            f"{limit} {what} from your network or account are in progress, the maximum; "
            f"try again in {retry_after_s} seconds"
        )
        self.retry_after_s = retry_after_s
