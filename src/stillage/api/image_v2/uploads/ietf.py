"""The protocol of the IETF's resumable uploads, interop versions 6 to 8.

A request that carries ``Upload-Complete`` opens an upload, and whatever comes of its body stays when the connection
breaks; the interim response 104 has told the client where to go on.

Source: draft-ietf-httpbis-resumable-upload; RFC 9457 (problem details).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from aiohttp import web

from stillage.api.http.body import inform, length_of
from stillage.api.image_v2.upload_headers import (
    CONTENT_DIGEST,
    OCTETS,
    REPR_DIGEST,
    digests_of,
    find_image_size,
    require_octets,
    require_store,
)
from stillage.api.image_v2.uploads.errors import as_ietf, as_ietf_of_whole
from stillage.api.image_v2.uploads.fields import COMPLETE, LIMIT, boolean, find_boolean, find_count
from stillage.api.image_v2.uploads.upload_request import location_of, open_upload, receive, upload_of
from stillage.api.problems import PROTOCOL_WORDING
from stillage.api.services import services
from stillage.errors import (
    InvalidInput,
    SizeChanged,
    SizeMismatch,
    StillageError,
    UploadComplete,
)
from stillage.images.upload import Expected, Piece, Progress, Upload
from stillage.operations.resumable.uploads import Uploads

INCOMPLETE = "Upload-Incomplete"
OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
INTEROP = "Upload-Draft-Interop-Version"
VERSIONS = (6, 7, 8)
MEDIA_TYPE = "application/partial-upload"
# How often a client that sends hears how much of it is safe.
TELL_EVERY_S = 5.0


def offered(uploads: Uploads) -> dict[str, str]:
    """What ``OPTIONS`` says of this protocol."""
    return {LIMIT: f"max-size={uploads.max_bytes}, max-age={int(uploads.max_age_s)}", INTEROP: str(max(VERSIONS))}


def is_asked_for(request: web.Request) -> bool:
    """Return whether the client opens an upload with this request.

    Raises:
        InvalidInput: If it sends a part of an image in words that we do not know. Without them the part would be taken
            for the whole.
    """
    complete = find_boolean(request, COMPLETE)
    version = request.headers.get(INTEROP)
    spoken = version is None or find_count(request, INTEROP) in VERSIONS
    is_part = complete is False or find_boolean(request, INCOMPLETE) is True
    if (COMPLETE in request.headers and complete is None) or (is_part and not spoken):
        versions = ", ".join(map(str, VERSIONS))
        raise InvalidInput(
            f"{COMPLETE} must be ?0 or ?1, and {INTEROP} one of {versions}, not {(version or '')[:32]!r}"
        )
    return complete is not None and spoken


async def create(request: web.Request) -> web.Response:
    """Any request with Upload-Complete to where images are sent: open an upload, and take what comes with it."""
    complete = find_boolean(request, COMPLETE) is True
    request[PROTOCOL_WORDING] = partial(as_ietf_of_whole, request) if complete else as_ietf
    require_store(request)
    length = length_of(request)
    if length != 0:
        require_octets(request, OCTETS, MEDIA_TYPE)
    size = _agreed(find_count(request, LENGTH), find_image_size(request), length if complete else None)
    upload = await open_upload(request, Expected(size, digests_of(request, REPR_DIGEST)))
    location = {"Location": location_of(request, upload)}
    await _inform(request, location | limits_of(request, upload))
    piece = Piece(0, length, size, complete, digests_of(request, CONTENT_DIGEST), in_order=True)
    progress = await _receive(request, upload, piece, opened=True)
    headers = {COMPLETE: boolean(complete), OFFSET: str(progress.upload.offset)}
    if complete:
        return web.Response(status=204, headers=headers)
    return web.Response(status=201, headers=headers | location | limits_of(request, progress.upload))


async def head(request: web.Request) -> web.Response:
    """HEAD …/uploads/{upload}: where the upload stands."""
    request[PROTOCOL_WORDING] = as_ietf
    upload = await services(request).uploads.settle(await upload_of(request))
    headers = {OFFSET: str(upload.offset), COMPLETE: boolean(upload.complete), "Cache-Control": "no-store"}
    if upload.size is not None:
        headers[LENGTH] = str(upload.size)
    return web.Response(status=204, headers=headers | limits_of(request, upload))


async def patch(request: web.Request) -> web.Response:
    """PATCH …/uploads/{upload}: go on where the upload stands."""
    complete, first = find_boolean(request, COMPLETE), find_count(request, OFFSET)
    request[PROTOCOL_WORDING] = partial(as_ietf_of_whole, request) if complete else as_ietf
    upload = await upload_of(request)
    require_octets(request, MEDIA_TYPE)
    if complete is None or first is None:
        raise InvalidInput(f"{OFFSET}, a number, and {COMPLETE}, ?0 or ?1, are needed")
    length = length_of(request)
    end = first + length if complete and length is not None else None
    size = _agreed(find_count(request, LENGTH), find_image_size(request), end)
    if upload.complete:
        _require_nothing_more(upload, first, length, complete=complete)
        return web.Response(status=204, headers={COMPLETE: "?1", OFFSET: str(upload.offset)})
    piece = Piece(first, length, size, complete, digests_of(request, CONTENT_DIGEST), in_order=True)
    progress = await _receive(request, upload, piece)
    return web.Response(status=204, headers={COMPLETE: boolean(complete), OFFSET: str(progress.upload.offset)})


def limits_of(request: web.Request, upload: Upload) -> dict[str, str]:
    uploads = services(request).uploads
    return {LIMIT: f"max-size={uploads.max_bytes}, max-age={uploads.remaining_s(upload)}"}


def _agreed(*sizes: int | None) -> int | None:
    """Return what everything that a request says of the whole's size agrees on; None where it says nothing."""
    said = [size for size in sizes if size is not None]
    for size in said[1:]:
        if size != said[0]:
            raise SizeMismatch(said[0], size)
    return said[0] if said else None


def _require_nothing_more(upload: Upload, first: int, length: int | None, *, complete: bool) -> None:
    """An upload is complete with its last byte; a client may still say so, in a request of its own."""
    if length != 0:
        raise SizeChanged(upload.offset, first + (length or 1))
    if first != upload.offset or not complete:
        raise UploadComplete(upload.id)


async def _receive(request: web.Request, upload: Upload, piece: Piece, *, opened: bool = False) -> Progress:
    async with _progress_told(request, upload):
        return await receive(request, upload, piece, opened=opened)


@asynccontextmanager
async def _progress_told(request: web.Request, upload: Upload) -> AsyncIterator[None]:
    telling = asyncio.create_task(_tell(request, upload))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell(request: web.Request, upload: Upload) -> None:
    known = services(request).uploads
    told_of = upload.offset
    with suppress(StillageError):  # whoever receives the bytes meets the same, and answers it
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            now = await known.find(None, upload.image_id, known.capability(upload))
            if now.offset > told_of:
                told_of = now.offset
                await _inform(request, {OFFSET: str(told_of)})


async def _inform(request: web.Request, headers: Mapping[str, str]) -> None:
    version = find_count(request, INTEROP)
    if version in VERSIONS:
        await inform(request, "104 Upload Resumption Supported", {INTEROP: str(version), **headers})
