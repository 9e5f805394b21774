"""The protocol of the IETF's resumable uploads, interop versions 6 to 8.

A request with ``Upload-Complete`` opens an upload. What was received of its body is kept when the connection breaks,
and the interim response 104 has told the client where to resume.

Source: draft-ietf-httpbis-resumable-upload; RFC 9457 (problem details).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

from aiohttp import web

from stillage.api.http.body import inform
from stillage.api.image_v2.upload_headers import store_of, upload_headers
from stillage.api.image_v2.uploads.errors import as_ietf, as_ietf_of_whole
from stillage.api.image_v2.uploads.fields import COMPLETE, LIMIT, boolean, find_count
from stillage.api.image_v2.uploads.ietf_headers import (
    INTEROP,
    LENGTH,
    OFFSET,
    VERSIONS,
    ends_image,
    expected_of,
    first_piece_of,
    piece_of,
)
from stillage.api.image_v2.uploads.upload_request import location_of, open_upload, receive, upload_of
from stillage.api.problems import PROTOCOL_WORDING
from stillage.api.services import services
from stillage.errors import SizeChanged, StillageError, UploadComplete
from stillage.images.upload import Piece, Progress, Upload
from stillage.operations.resumable.uploads import Uploads

# How often a client is told, while it sends, how many of its bytes are durable.
REPORT_EVERY_S = 5.0


def offered(uploads: Uploads) -> dict[str, str]:
    """Return the headers by which ``OPTIONS`` advertises this protocol."""
    return {LIMIT: f"max-size={uploads.max_bytes}, max-age={int(uploads.max_age_s)}", INTEROP: str(max(VERSIONS))}


async def create(request: web.Request) -> web.Response:
    """Any request to upload an image with Upload-Complete: open an upload, and receive the body as its first piece."""
    _begin(request)
    store = store_of(request)
    headers = upload_headers(request)
    piece = first_piece_of(headers)
    upload = await open_upload(request, replace(expected_of(headers, piece), store=store))
    location = {"Location": location_of(request, upload)}
    await _inform(request, location | limits_of(request, upload))
    progress = await _receive(request, upload, piece, opened=True)
    answer = {COMPLETE: boolean(piece.last), OFFSET: str(progress.upload.offset)}
    if piece.last:
        return web.Response(status=204, headers=answer)
    return web.Response(status=201, headers=answer | location | limits_of(request, progress.upload))


async def head(request: web.Request) -> web.Response:
    """HEAD …/uploads/{upload}: the offset."""
    request[PROTOCOL_WORDING] = as_ietf
    upload = await services(request).uploads.settle(await upload_of(request))
    headers = {OFFSET: str(upload.offset), COMPLETE: boolean(upload.complete), "Cache-Control": "no-store"}
    if upload.size is not None:
        headers[LENGTH] = str(upload.size)
    return web.Response(status=204, headers=headers | limits_of(request, upload))


async def patch(request: web.Request) -> web.Response:
    """PATCH …/uploads/{upload}: append at the offset."""
    _begin(request)
    upload = await upload_of(request)
    piece = piece_of(upload_headers(request))
    if upload.complete:
        _require_nothing_more(upload, piece)
        return web.Response(status=204, headers={COMPLETE: "?1", OFFSET: str(upload.offset)})
    progress = await _receive(request, upload, piece)
    return web.Response(status=204, headers={COMPLETE: boolean(piece.last), OFFSET: str(progress.upload.offset)})


def _begin(request: web.Request) -> None:
    """Word errors as this protocol does from here on."""
    request[PROTOCOL_WORDING] = partial(as_ietf_of_whole, request) if ends_image(request.headers) else as_ietf


def limits_of(request: web.Request, upload: Upload) -> dict[str, str]:
    uploads = services(request).uploads
    return {LIMIT: f"max-size={uploads.max_bytes}, max-age={uploads.remaining_s(upload)}"}


def _require_nothing_more(upload: Upload, piece: Piece) -> None:
    """An upload is complete with its last byte; a client may still send a request that says so."""
    if piece.length != 0:
        raise SizeChanged(upload.offset, piece.first + (piece.length or 1))
    if piece.first != upload.offset or not piece.last:
        raise UploadComplete(upload.id)


async def _receive(request: web.Request, upload: Upload, piece: Piece, *, opened: bool = False) -> Progress:
    async with _with_progress(request, upload):
        return await receive(request, upload, piece, opened=opened)


@asynccontextmanager
async def _with_progress(request: web.Request, upload: Upload) -> AsyncIterator[None]:
    task = asyncio.create_task(_report_progress(request, upload))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _report_progress(request: web.Request, upload: Upload) -> None:
    uploads = services(request).uploads
    reported = upload.offset
    with suppress(StillageError):  # the task that receives the bytes gets the same error, and answers it
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            now = await uploads.find(None, upload.image_id, uploads.capability(upload))
            if now.offset > reported:
                reported = now.offset
                await _inform(request, {OFFSET: str(reported)})


async def _inform(request: web.Request, headers: Mapping[str, str]) -> None:
    version = find_count(request.headers, INTEROP)
    if version in VERSIONS:
        await inform(request, "104 Upload Resumption Supported", {INTEROP: str(version), **headers})
