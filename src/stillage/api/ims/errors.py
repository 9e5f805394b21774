"""How IMS words its errors: a code for each condition, and few statuses.

Source: IMS API Reference, "Error Codes".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stillage import errors
from stillage.api.problems import CODE, Problem, Wording
from stillage.errors import StillageError

CODES: Mapping[type[StillageError], tuple[int, str]] = {
    errors.EmptyBody: (400, "IMG.0057"),
    errors.InvalidInput: (400, "IMG.0001"),
    errors.Unauthenticated: (401, "IMG.0026"),
    errors.RouteNotFound: (404, "IMG.0001"),
    errors.MethodNotAllowed: (405, "IMG.0001"),
    errors.FormatNotAvailable: (406, "IMG.0001"),
    errors.HeadTooLarge: (431, "IMG.0001"),
    errors.Forbidden: (403, "IMG.0026"),
    errors.ImageNotFound: (404, "IMG.0144"),
    errors.JobNotFound: (404, "IMG.0023"),
    errors.JobCancelled: (409, "IMG.0144"),
    errors.NotFound: (404, "IMG.0027"),
    errors.PeerTooSlow: (408, "IMG.0001"),
    errors.RateTooLow: (408, "IMG.0001"),
    errors.PropertyMissing: (400, "IMG.0035"),
    errors.NotShareable: (400, "IMG.0089"),
    errors.SharedWithItself: (400, "IMG.0076"),
    errors.BodyMissing: (400, "IMG.0007"),
    errors.ImageProtected: (400, "IMG.0028"),
    errors.NotConvertible: (400, "IMG.0071"),
    errors.DiskDoesNotFit: (400, "IMG.0072"),
    errors.Conflict: (409, "IMG.0046"),
    errors.NotReadyForImport: (400, "IMG.0046"),
    errors.ImportRunning: (400, "IMG.0046"),
    errors.BucketNotFound: (400, "IMG.0069"),
    errors.ObjectNotFound: (400, "IMG.0121"),
    errors.ObjectExists: (400, "IMG.0070"),
    errors.ObjectChanged: (400, "IMG.0057"),
    errors.UnexpectedFormat: (400, "IMG.0057"),
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
    StillageError: (500, "IMG.0061"),
}


TOO_MANY = {"tags": "IMG.0116", "members": "IMG.0088", "properties": "IMG.0015"}


def adapt(problem: Problem) -> Problem:
    """Return *problem* with the status that IMS gives it."""
    status, _ = code_of(problem.error)
    return replace(problem, status=status)


def body(problem: Problem) -> dict[str, Any]:
    """Return the body, which IMS documents for status 400 and we use for every status."""
    _, code = code_of(problem.error)
    return {"error": {"message": str(problem.error), "code": code, CODE: problem.error.code}}


def code_of_kind(kind: type[StillageError]) -> tuple[int, str]:
    """Return the status and the code of errors of *kind*, unless one has a code of its own."""
    return next(CODES[cls] for cls in kind.__mro__ if cls in CODES)


def code_of(error: StillageError) -> tuple[int, str]:
    """Return the status and the code that IMS has for *error*."""
    status, code = code_of_kind(type(error))
    if isinstance(error, errors.ImsRefusal):
        return status, error.ims_code
    if isinstance(error, errors.TooMany):
        return status, TOO_MANY[error.what]
    return status, code


WORDING = Wording(body, adapt)
