"""The one place where an error becomes a status code and a body.

Four dialects say the same thing: the image API's, the identity API's, that of the `ims` profile, and that of the
gateway which clients that sign their requests know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from stillage import errors

CHECKSUM_MISMATCH = 460
"""Not of HTTP: tus has it of its own."""

STATUS: Mapping[type[Exception], int] = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.PeerTooSlow: 408,
    errors.RateTooLow: 408,
    errors.Conflict: 409,
    errors.ImageGone: 410,
    errors.UploadGone: 410,
    errors.ProtocolUnknown: 412,
    errors.TooLarge: 413,
    errors.WrongMediaType: 415,
    errors.ContentRejected: 415,
    errors.RangeNotSatisfiable: 416,
    errors.TooManyFailures: 429,
    errors.TooManyAtOnce: 429,
    errors.TooManyUploads: 429,
    errors.Unavailable: 503,
    errors.StillageError: 500,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as HTTP sees it, before it has a shape.

    Attributes:
        kind: The error's class, for dialects that have codes of their own.
        extra: Facts for machines (``rule``, ``offset``, ``found`` …).
        members: What a dialect says beside the error of the shape.
    """

    status: int
    message: str
    kind: type[Exception]
    headers: Mapping[str, str]
    extra: Mapping[str, Any]
    members: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "application/json"


Wording = Callable[[Problem], Problem]
"""How one protocol words a problem."""
WORDING: web.RequestKey[Wording] = web.RequestKey("wording")
"""Set by whoever answers a request in the words of a protocol of its own."""

Shape = Callable[[Problem, str], dict[str, Any]]
"""``shape(problem, request_id)``: the JSON body."""


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """What the refusals of a dialect look like.

    Attributes:
        shape: Gives an error its body.
        problem: Gives an error the status that it has there.
    """

    shape: Shape
    problem: Callable[[Problem], Problem] = lambda problem: problem


def problem_of(error: Exception, *, identity_url: str) -> Problem:
    """Describe *error*. Anything that is not ours is an internal error whose text stays in the log."""
    if isinstance(error, web.HTTPException):
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return Problem(error.status, _of_router(error), type(error), headers, {})
    if not isinstance(error, errors.StillageError):
        return Problem(500, "internal error; the server's log has it under this request id", type(error), {}, {})
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = f'Keystone uri="{identity_url}"'
    if isinstance(error, errors.Unavailable | errors.TooManyFailures | errors.TooManyAtOnce | errors.TooManyUploads):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.WrongMediaType) and error.accepted:
        headers["Accept-Patch"] = ", ".join(error.accepted)
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, errors.OffsetMismatch):
        headers["Upload-Offset"] = str(error.expected)
    if isinstance(error, errors.ProtocolUnknown):
        headers["Tus-Version"] = error.known
    return Problem(status_of(error), str(error), type(error), headers, _facts(error))


def status_of(error: errors.StillageError) -> int:
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def _of_router(error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{error.method} is not possible here; {', '.join(sorted(error.allowed_methods))} is"
    if isinstance(error, web.HTTPNotFound):
        return "there is nothing at this address"
    return error.text or error.reason


def _facts(error: errors.StillageError) -> Mapping[str, Any]:
    if isinstance(error, errors.OffsetMismatch):
        return {"expected": error.expected, "given": error.given}
    if isinstance(error, errors.ImageTooLarge):
        return {"limit": error.limit}
    if not isinstance(error, errors.ContentRejected):
        return {}
    facts = {
        "rule": error.rule,
        "offset": error.offset,
        "found": error.found,
        "declared": error.declared,
        "fix": error.mend,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def phrase_of(status: int) -> str:
    return "Checksum Mismatch" if status == CHECKSUM_MISMATCH else HTTPStatus(status).phrase
