"""Translate errors into HTTP answers: the one table of status codes, and the headers of errors.

The dialect determines the body: see `Wording`, and ``errors.py`` in each dialect's folder.
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
    errors.FormatNotAvailable: 406,
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
        phrase: The reason phrase, if HTTP has none for the status.
        members: What a protocol adds to the dialect's body.
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
"""The member of every error body that holds `StillageError.code`. Dialects use ``code`` for codes of their own."""

Adaptation = Callable[[Problem], Problem]
"""Gives a problem the status and headers of one dialect or protocol."""

PROTOCOL_WORDING: web.RequestKey[Adaptation] = web.RequestKey("protocol_wording")
"""Set by handlers that answer in another protocol within a dialect: tus, or the IETF's resumable uploads."""


def unchanged(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True)
class Wording:
    """The format of a dialect's errors.

    Attributes:
        body: Returns the JSON body.
        adapt: Adapts the problem first.
    """

    body: Callable[[Problem], dict[str, Any]]
    adapt: Adaptation = unchanged


def problem_of(raised: Exception, *, request_id: str, identity_url: str) -> Problem:
    """Describe *raised*. Anything but a `StillageError` is an internal error, whose text is only logged."""
    error = _translated(raised)
    return Problem(error, request_id, status_of(type(error)), _headers(error, identity_url))


def response_of(problem: Problem, wording: Wording, adapt: Adaptation) -> web.Response:
    """Return the answer that reports *problem* in *wording*, adapted to a protocol by *adapt*."""
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
