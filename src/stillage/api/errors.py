"""The one place where an error becomes a status code and a body.

Four dialects say the same thing: the image API's, the identity API's, that of the `ims` profile, and that of the
gateway which clients that sign their requests know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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


def as_error(problem: Problem, request_id: str) -> dict[str, Any]:
    """The image API's body.

    The object stands inside ``error`` because glanceclient asks every value of the outermost object for its ``message``
    and fails on one that is a plain text or number; openstacksdk prints either form.
    """
    title = phrase_of(problem.status)
    head = {"code": problem.status, "title": title, "message": problem.message}
    return {"error": {**head, **problem.extra, "request_id": request_id}}


def phrase_of(status: int) -> str:
    return "Checksum Mismatch" if status == CHECKSUM_MISMATCH else HTTPStatus(status).phrase


def as_keystone(problem: Problem, _request_id: str) -> dict[str, Any]:
    """Source: Identity API v3, "Errors"."""
    title = HTTPStatus(problem.status).phrase
    return {"error": {"code": problem.status, "title": title, "message": problem.message}}


# Source: Huawei Cloud, API Gateway, "Error Codes". Huawei Cloud says APIGW, Open Telekom Cloud APIG; the numbers agree.
GATEWAY_CODES: Mapping[type[Exception], str] = {
    errors.SignatureRefused: "APIGW.0301",
    errors.SignedBodyTooLarge: "APIGW.0201",
}


def as_gateway(problem: Problem, request_id: str) -> dict[str, Any]:
    """What a vendor's gateway answers to a signed request, whatever stands behind it."""
    return {"error_msg": problem.message, "error_code": GATEWAY_CODES[problem.kind], "request_id": request_id}


# Source: IMS API Reference, "Error Codes". IMS has a code for each condition and few statuses.
IMS_CODES: Mapping[type[Exception], tuple[int, str]] = {
    errors.EmptyBody: (400, "IMG.0057"),
    errors.InvalidInput: (400, "IMG.0001"),
    errors.Unauthenticated: (401, "IMG.0026"),
    errors.Forbidden: (403, "IMG.0026"),
    errors.ImageNotFound: (404, "IMG.0144"),
    errors.NotFound: (404, "IMG.0027"),
    errors.PeerTooSlow: (408, "IMG.0001"),
    errors.RateTooLow: (408, "IMG.0001"),
    errors.Conflict: (409, "IMG.0046"),
    errors.ImageGone: (404, "IMG.0144"),
    errors.UploadGone: (410, "IMG.0046"),
    errors.ProtocolUnknown: (412, "IMG.0001"),
    errors.StorageFull: (500, "IMG.0061"),
    errors.ImageTooLarge: (400, "IMG.0059"),
    errors.TooLarge: (400, "IMG.0015"),
    errors.WrongMediaType: (400, "IMG.0001"),
    errors.ContentRejected: (400, "IMG.0057"),
    errors.DiskTooLarge: (400, "IMG.0055"),
    errors.RangeNotSatisfiable: (416, "IMG.0001"),
    errors.TooManyFailures: (429, "IMG.0060"),
    errors.TooManyAtOnce: (429, "IMG.0060"),
    errors.TooManyUploads: (429, "IMG.0060"),
    errors.Unavailable: (503, "IMG.0061"),
    errors.StillageError: (500, "IMG.0061"),
}


def in_ims(problem: Problem) -> Problem:
    """Return *problem* with the status that IMS gives it."""
    status = next((IMS_CODES[cls][0] for cls in problem.kind.__mro__ if cls in IMS_CODES), problem.status)
    return replace(problem, status=status)


def as_ims(problem: Problem, _request_id: str) -> dict[str, Any]:
    """Source: IMS API Reference, "Error Codes"; the shape is used whatever the status."""
    code = next((IMS_CODES[cls][1] for cls in problem.kind.__mro__ if cls in IMS_CODES), "IMG.0001")
    return {"error": {"message": problem.message, "code": code}}
