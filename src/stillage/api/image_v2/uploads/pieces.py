"""The protocol of pieces: ``PUT`` with ``Content-Range``, in any order, on as many connections as the client likes.

Source: docs/resumable.md; RFC 9110 §14.4, §14.5 (partial PUT); RFC 9530 (Content-Digest).
"""

import re
from dataclasses import dataclass

from aiohttp import hdrs, web

from stillage.api.http.body import length_of
from stillage.api.image_v2.upload_headers import (
    CONTENT_DIGEST,
    REPR_DIGEST,
    digests_of,
    find_image_size,
    require_octets,
    require_store,
)
from stillage.api.image_v2.uploads.fields import find_boolean
from stillage.api.image_v2.uploads.shape import SHOWN_OF_A_PIECE, document_response
from stillage.api.image_v2.uploads.upload_request import receive, upload_of
from stillage.api.services import PRINCIPAL, principal, services
from stillage.errors import Conflict, InvalidInput, SizeMismatch
from stillage.images.upload import Expected, Piece, Upload

CONTENT_RANGE = re.compile(r"bytes +(?:([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)|\*/([0-9]{1,18}))", re.IGNORECASE)
ZEROS = "Upload-Zeros"


@dataclass(frozen=True, slots=True)
class Place:
    """What Content-Range says.

    Attributes:
        first: Offset of the first byte; None where no bytes are sent, and the client only asks.
        length: Bytes.
        size: Of the whole image; None while nobody knows.
    """

    first: int | None
    length: int
    size: int | None


async def put(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/uploads/{upload}: take a piece. 204 when the image is active by it, 202 before."""
    upload = await upload_of(request)
    place = place_of(request)
    return await _take(request, upload, place)


async def put_file(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/file with Content-Range: a piece for the image's upload; the first opens it."""
    place = place_of(request)
    require_store(request)
    if place.first is None:
        return await _tell(request, place)
    expected = Expected(place.size, digests_of(request, REPR_DIGEST))
    upload = await services(request).uploads.join(principal(request), request.match_info["image_id"], expected)
    return await _take(request, upload, place)


def place_of(request: web.Request) -> Place:
    """Return where the request's bytes belong.

    Raises:
        WrongMediaType: If they are no plain bytes.
        InvalidInput: If the head contradicts itself, or cannot be read.
    """
    if hdrs.CONTENT_TYPE in request.headers or length_of(request) != 0:
        require_octets(request)
    sent = request.headers.getall(hdrs.CONTENT_RANGE, [])
    match = CONTENT_RANGE.fullmatch(sent[0].strip()) if len(sent) == 1 else None
    if match is None:
        shown = ", ".join(sent)[:100] or "missing"
        raise InvalidInput(f"Content-Range must be 'bytes FIRST-LAST/SIZE' or 'bytes */SIZE', not {shown!r}")
    place = _place(match)
    known, length = find_image_size(request), length_of(request)
    if known is not None and place.size not in (None, known):
        raise SizeMismatch(known, place.size or 0)
    expected = 0 if _is_zeros(request) else place.length
    if length not in (None, expected):
        raise InvalidInput(
            f"Content-Range names {place.length} bytes, and the body has {length}; {expected} are needed"
        )
    return Place(place.first, place.length, known if place.size is None else place.size)


def _place(match: re.Match[str]) -> Place:
    first, last, size, asked = match.groups()
    if asked is not None:
        return Place(None, 0, int(asked))
    place = Place(int(first), int(last) - int(first) + 1, None if size == "*" else int(size))
    if place.length < 1 or (place.size is not None and int(last) >= place.size):
        raise InvalidInput(f"Content-Range {match[0]!r} names bytes that cannot be: FIRST ≤ LAST < SIZE is needed")
    return place


def _is_zeros(request: web.Request) -> bool:
    return find_boolean(request, ZEROS) is True


async def _take(request: web.Request, upload: Upload, place: Place) -> web.Response:
    if place.first is None:
        if (sender := request.get(PRINCIPAL)) is not None:
            upload = await services(request).uploads.resume(upload, sender)
        return await document_response(request, upload, status=202)
    piece = Piece(
        place.first,
        place.length,
        place.size,
        digests=digests_of(request, CONTENT_DIGEST),
        zeros=_is_zeros(request),
    )
    progress = await receive(request, upload, piece)
    if progress.image is not None:
        return web.Response(status=204)
    return await document_response(request, progress.upload, status=202, most=SHOWN_OF_A_PIECE)


async def _tell(request: web.Request, place: Place) -> web.Response:
    """Say where the image's upload stands, or that the image has all its bytes: its uploader may not know."""
    known, image_id = services(request), request.match_info["image_id"]
    for upload in await known.uploads.of_image(principal(request), image_id):
        if not upload.complete:
            resumed = await known.uploads.resume(upload, principal(request))
            return await document_response(request, resumed, status=202)
    image = await known.images.get(principal(request), image_id)
    if image.has_data and image.size == place.size:
        return web.Response(status=204)
    raise Conflict(f"no upload of image {image_id} is open, and it is {image.status}; send a piece to open one")
