"""An upload as JSON. Source: docs/resumable.md, "The document"."""

from typing import Any

from aiohttp import web

from stillage.api.bodies import json_response
from stillage.api.image_v2.shape import time_view
from stillage.api.image_v2.uploads.room import location_of, path_of
from stillage.images.upload import Upload
from stillage.operations.uploads.instant import Proof


def document_of(request: web.Request, upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "image_id": upload.image_id,
        "url": path_of(request, upload),
        "size": upload.size,
        "offset": upload.offset,
        "received": upload.received,
        "ranges": [[span.first, span.end - 1] for span in upload.spans],
        "judged": upload.judged,
        "complete": upload.complete,
        "suspended": upload.suspended,
        "digests": dict(upload.digests),
        "created_at": time_view(upload.created_at),
        "expires_at": time_view(upload.expires_at),
    }


def document_response(
    request: web.Request, upload: Upload, *, status: int = 200, proof: Proof | None = None
) -> web.Response:
    """*proof*: what the client may prove to have instead of sending it."""
    headers = {"Location": location_of(request, upload), "Cache-Control": "no-store"}
    document = document_of(request, upload)
    if proof is not None:
        document["proof"] = {"nonce": proof.nonce, "ranges": [[span.first, span.end - 1] for span in proof.ranges]}
    return json_response(document, status=status, headers=headers)
