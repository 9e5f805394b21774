"""How an error becomes an answer: the one table of statuses, and the headers that go with an error.

What the body looks like is the dialect's: see `Wording`, and ``errors.py`` in each dialect's folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from stillage import errors
from stillage.errors import StillageError

STATUS: Mapping[type[StillageError], int] = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
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
    errors.HeadTooLarge: 431,
    errors.Unavailable: 503,
    StillageError: 500,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as HTTP sees it, before a dialect gives it a body.

    Attributes:
        phrase: The reason phrase, where HTTP has none for the status.
        members: What a protocol says beside the dialect's own body.
    """

    error: StillageError
    request_id: str
    status: int
    headers: Mapping[str, str]
    phrase: str | None = None
    members: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "application/json"

    @property
    def title(self) -> str:
        return self.phrase or HTTPStatus(self.status).phrase


CODE = "stillage_code"
"""The member of every answer of an error that holds `StillageError.code`. Each dialect uses ``code`` for its own."""

Adaptation = Callable[[Problem], Problem]
"""Gives a problem the status and the headers that it has in one dialect or protocol."""

PROTOCOL_WORDING: web.RequestKey[Adaptation] = web.RequestKey("protocol_wording")
"""Set by a handler that answers in a protocol of its own within a dialect: tus, or the IETF's resumable uploads."""


def unchanged(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True)
class Wording:
    """How a dialect words its errors.

    Attributes:
        body: Returns the JSON body.
        adapt: Comes before it.
    """

    body: Callable[[Problem], dict[str, Any]]
    adapt: Adaptation = unchanged


def problem_of(raised: Exception, *, request_id: str, identity_url: str) -> Problem:
    """Describe *raised*. Anything that is not ours is an internal error whose text stays in the log."""
    error = _translated(raised)
    return Problem(error, request_id, status_of(type(error)), _headers(error, identity_url))


def response_of(problem: Problem, wording: Wording, adapt: Adaptation) -> web.Response:
    """Return the answer that says *problem* in *wording*, and in the protocol that *adapt* stands for."""
    problem = adapt(wording.adapt(problem))
    return web.json_response(
        {**problem.members, **wording.body(problem)},
        status=problem.status,
        reason=problem.title,
        headers=problem.headers,
        content_type=problem.media_type,
    )


def status_of(kind: type[StillageError]) -> int:
    return next(STATUS[cls] for cls in kind.__mro__ if cls in STATUS)


def _translated(raised: Exception) -> StillageError:
    if isinstance(raised, StillageError):
        return raised
    if isinstance(raised, web.HTTPNotFound):
        return errors.RouteNotFound()
    if isinstance(raised, web.HTTPMethodNotAllowed):
        return errors.MethodNotAllowed(raised.method, raised.allowed_methods)
    return errors.InternalError()


def _headers(error: StillageError, identity_url: str) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    match error:
        case errors.Unauthenticated():
            headers["WWW-Authenticate"] = f'Keystone uri="{identity_url}"'
        case errors.MethodNotAllowed():
            headers["Allow"] = ",".join(sorted(error.allowed))
        case errors.OffsetMismatch():
            headers["Upload-Offset"] = str(error.expected)
        case errors.ProtocolUnknown():
            headers["Tus-Version"] = error.known
        case errors.WrongMediaType(accepted=accepted) if accepted:
            headers["Accept-Patch"] = ", ".join(accepted)
        case errors.RangeNotSatisfiable():
            headers["Content-Range"] = f"bytes */{error.size}"
        case errors.TooManyFailures() | errors.TooManyAtOnce() | errors.TooManyUploads() | errors.Unavailable():
            headers["Retry-After"] = str(error.retry_after_s)
    return headers
