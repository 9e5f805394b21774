"""The protocol tus 1.0.0.

Core, creation (also with the first bytes, or without a length), expiration, checksum and termination.

Source: tus.io, "Resumable upload protocol 1.0.x".
"""

from dataclasses import replace
from email.utils import format_datetime

from aiohttp import web

from stillage.api.image_v2.upload_headers import store_of, upload_headers
from stillage.api.image_v2.uploads.errors import as_tus
from stillage.api.image_v2.uploads.tus_headers import (
    CHECKSUMS,
    DEFER_LENGTH,
    LENGTH,
    METADATA,
    OFFSET,
    expected_of,
    first_piece_of,
    piece_of,
)
from stillage.api.image_v2.uploads.upload_request import location_of, open_upload, receive, upload_of
from stillage.api.problems import PROTOCOL_WORDING
from stillage.api.services import services
from stillage.errors import ProtocolUnknown
from stillage.images.upload import Piece, Upload
from stillage.operations.resumable.uploads import Uploads

VERSION = "1.0.0"
RESUMABLE = "Tus-Resumable"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination"
EXPIRES = "Upload-Expires"


def offered(uploads: Uploads) -> dict[str, str]:
    """Return the headers by which ``OPTIONS`` advertises this protocol."""
    return {
        RESUMABLE: VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(uploads.max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


def is_spoken(request: web.Request) -> bool:
    return RESUMABLE in request.headers


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Put the version on every answer to a client that sent one, errors included."""
    if is_spoken(request) and "/uploads" in request.path:
        response.headers[RESUMABLE] = VERSION


async def create(request: web.Request) -> web.Response:
    """POST …/uploads: open an upload, and receive the body as its first piece."""
    begin(request)
    store = store_of(request)
    headers = upload_headers(request)
    expected, piece = replace(expected_of(headers), store=store), first_piece_of(headers)
    upload = await open_upload(request, expected)
    answer = {"Location": location_of(request, upload)}
    if piece is None and expected.size == 0:
        piece = Piece(0, 0)  # nothing is missing, so nobody would send a PATCH
    if piece is not None:
        progress = await receive(request, upload, piece, opened=True)
        upload = progress.upload
        answer[OFFSET] = str(upload.offset)
    return web.Response(status=201, headers=answer | _expiry(upload))


async def head(request: web.Request) -> web.Response:
    """HEAD …/uploads/{upload}: the offset."""
    begin(request)
    upload = await services(request).uploads.settle(await upload_of(request))
    headers = {OFFSET: str(upload.offset), "Cache-Control": "no-store"}
    if upload.size is None:
        headers[DEFER_LENGTH] = "1"
    else:
        headers[LENGTH] = str(upload.size)
    if upload.metadata is not None:
        headers[METADATA] = upload.metadata
    return web.Response(status=200, headers=headers | _expiry(upload))


async def patch(request: web.Request) -> web.Response:
    """PATCH …/uploads/{upload}: append at the offset."""
    begin(request)
    upload = await upload_of(request)
    progress = await receive(request, upload, piece_of(upload_headers(request)))
    return web.Response(status=204, headers={OFFSET: str(progress.upload.offset)} | _expiry(progress.upload))


def begin(request: web.Request) -> None:
    """Word errors as this protocol does from here on.

    Raises:
        ProtocolUnknown: If the client sent another version.
    """
    request[PROTOCOL_WORDING] = as_tus
    version = request.headers.get(RESUMABLE, "")
    if version != VERSION:
        raise ProtocolUnknown(RESUMABLE, version[:32], VERSION)


def _expiry(upload: Upload) -> dict[str, str]:
    return {} if upload.complete else {EXPIRES: format_datetime(upload.expires_at, usegmt=True)}
