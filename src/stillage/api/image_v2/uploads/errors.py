"""How the protocols of resumable uploads word their errors.

Source: tus.io, "Resumable upload protocol 1.0.x"; draft-ietf-httpbis-resumable-upload; RFC 9457 (problem details).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from stillage.api.image_v2.uploads.fields import COMPLETE, LIMIT
from stillage.api.image_v2.uploads.upload_request import WAS_WHOLE
from stillage.api.problems import Problem
from stillage.errors import (
    ContentRejected,
    ImageTooLarge,
    InvalidInput,
    OffsetMismatch,
    PieceMismatch,
    SizeChanged,
    SizeMismatch,
    StillageError,
    UploadComplete,
)

PROBLEMS: Mapping[type[StillageError], tuple[str, str]] = {
    OffsetMismatch: ("mismatching-upload-offset", "offset from request does not match offset of resource"),
    UploadComplete: ("completed-upload", "upload is already completed"),
    SizeChanged: ("inconsistent-upload-length", "inconsistent length values for upload"),
    SizeMismatch: ("inconsistent-upload-length", "inconsistent length values for upload"),
}


CHECKSUM_MISMATCH = 460
"""Not an HTTP status: tus defines it."""


def as_tus(problem: Problem) -> Problem:
    """Return *problem* with the status that tus gives it."""
    if isinstance(problem.error, PieceMismatch):
        return replace(problem, status=CHECKSUM_MISMATCH, phrase="Checksum Mismatch")
    return problem


def as_ietf(problem: Problem) -> Problem:
    """Return *problem* as the draft words it, if it defines that problem."""
    error = problem.error
    if isinstance(error, ImageTooLarge):
        return replace(problem, headers={**problem.headers, LIMIT: f"max-size={error.limit}"})
    named = next((PROBLEMS[cls] for cls in type(error).__mro__ if cls in PROBLEMS), None)
    if named is None:
        return problem
    name, title = named
    status = problem.status if isinstance(error, OffsetMismatch) else 400
    members: dict[str, Any] = {
        "type": f"https://iana.org/assignments/http-problem-types#{name}",
        "title": title,
        "status": status,
        "detail": str(error),
    }
    if isinstance(error, OffsetMismatch):
        members |= {"expected-offset": error.expected, "provided-offset": error.given}
    return replace(problem, status=status, media_type="application/problem+json", members=members)


def as_ietf_of_whole(request: web.Request, problem: Problem) -> Problem:
    """As `as_ietf`, for a request with the end of its image: if all bytes were refused, a retry will not help."""
    worded = as_ietf(problem)
    is_verdict = request.get(WAS_WHOLE, False) and isinstance(problem.error, ContentRejected | InvalidInput)
    if worded is not problem or not is_verdict or isinstance(problem.error, PieceMismatch):
        return worded
    return replace(problem, headers={**problem.headers, COMPLETE: "?1"})
