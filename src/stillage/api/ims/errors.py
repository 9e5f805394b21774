"""How IMS words its errors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stillage import errors
from stillage.api.problems import Problem

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
