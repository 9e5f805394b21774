"""An upload as JSON. Source: docs/resumable.md, "The upload"."""

from collections.abc import Iterable

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2.uploads import documents
from stillage.api.image_v2.uploads.upload_request import location_of, path_of
from stillage.api.services import services
from stillage.images.upload import Ranges, Upload
from stillage.operations.resumable.possession import Proof
from stillage.spans import Span
from stillage.times import to_seconds

SHOWN = 4096 + 64  # the most that there can be
SHOWN_OF_A_PIECE = 256
"""Ranges in the answer to a piece. More would make every piece of a scattered upload expensive."""


async def document_of(request: web.Request, upload: Upload, *, most: int = SHOWN) -> documents.Upload:
    """*most*: show only so many ranges, from the first."""
    ranges = await services(request).uploads.ranges(upload, most)
    return {
        "id": upload.id,
        "image_id": upload.image_id,
        "url": path_of(request, upload),
        "size": upload.size,
        "offset": upload.offset,
        "received": ranges.received,
        "ranges": spans_of(ranges),
        "verified": upload.verified,
        "complete": upload.complete,
        "suspended": upload.suspended,
        "digests": dict(upload.digests),
        "created_at": to_seconds(upload.created_at),
        "expires_at": to_seconds(upload.expires_at),
    }


def spans_of(ranges: Ranges) -> list[list[int]]:
    return ranges_of(ranges.spans)


def ranges_of(spans: Iterable[Span]) -> list[list[int]]:
    """Return first and last byte of each."""
    return [[span.first, span.end - 1] for span in spans]


async def document_response(
    request: web.Request, upload: Upload, *, status: int = 200, proof: Proof | None = None, most: int = SHOWN
) -> web.Response:
    """*proof*: of possession, which the client may give instead of sending the bytes. *most*: see `document_of`."""
    headers = {"Location": location_of(request, upload), "Cache-Control": "no-store"}
    document = await document_of(request, upload, most=most)
    if proof is not None:
        document["proof"] = {"nonce": proof.nonce, "ranges": ranges_of(proof.ranges)}
    return json_response(document, status=status, headers=headers)
