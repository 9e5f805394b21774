"""List the open uploads of a project."""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2.uploads import documents
from stillage.api.image_v2.uploads.shape import SHOWN_OF_A_PIECE, spans_of
from stillage.api.image_v2.uploads.upload_request import path_of
from stillage.api.paging import first_page, next_page
from stillage.api.services import principal, services
from stillage.images.upload import Ranges, Upload
from stillage.images.upload_query import parse
from stillage.times import to_seconds

PATH = "/v2/uploads"


async def list_all(request: web.Request) -> web.Response:
    """GET /v2/uploads: a page of the open uploads of the project, newest first; of all projects for administrators."""
    pairs = list(request.query.items())
    listed, marker = await services(request).uploads.lists.page(principal(request), parse(pairs), SHOWN_OF_A_PIECE)
    first = first_page(PATH, pairs)
    document: documents.ListedUploads = {
        "uploads": [_document(request, upload, ranges) for upload, ranges in listed],
        "first": first,
    }
    if marker is not None:
        document["next"] = next_page(first, marker)
    return json_response(document, headers={"Cache-Control": "no-store"})


def _document(request: web.Request, upload: Upload, ranges: Ranges) -> documents.ListedUpload:
    return {
        "id": upload.id,
        "image_id": upload.image_id,
        "url": path_of(request, upload),
        "status": upload.status,
        "user_id": None if upload.rights is None else upload.rights.user_id,
        "store": upload.blob.store,
        "size": upload.size,
        "offset": upload.offset,
        "received": ranges.received,
        "ranges": spans_of(ranges),
        "verified": upload.verified,
        "created_at": to_seconds(upload.created_at),
        "expires_at": to_seconds(upload.expires_at),
    }
