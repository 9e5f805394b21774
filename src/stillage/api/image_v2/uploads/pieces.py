"""The protocol of pieces: ``PUT`` with ``Content-Range``, in any order, on as many connections as the client likes.

Source: docs/resumable.md.
"""

from dataclasses import replace

from aiohttp import web

from stillage.api.image_v2.upload_headers import store_of, upload_headers
from stillage.api.image_v2.uploads.piece_headers import Question, expected_of, piece_of
from stillage.api.image_v2.uploads.shape import SHOWN_OF_A_PIECE, document_response
from stillage.api.image_v2.uploads.upload_request import receive, upload_of
from stillage.api.services import PRINCIPAL, principal, services
from stillage.errors import Conflict
from stillage.images.upload import Piece, Progress, Upload


async def put(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/uploads/{upload}: send a piece. 204 when the image is active, 202 before."""
    upload = await upload_of(request)
    piece = piece_of(upload_headers(request))
    if not isinstance(piece, Question):
        return await _receive(request, upload, piece)
    if (sender := request.get(PRINCIPAL)) is not None:
        upload = await services(request).uploads.resume(upload, sender)
    return await document_response(request, upload, status=202)


async def put_file(request: web.Request, *, staged: bool = False) -> web.Response:
    """PUT /v2/images/{image_id}/file with Content-Range: a piece of the image's upload; the first one opens it.

    *staged*: of the upload whose bytes wait for an import.
    """
    headers = upload_headers(request)
    piece = piece_of(headers)
    store = None if staged else store_of(request)
    if isinstance(piece, Question):
        return await _answer(request, piece)
    expected = replace(expected_of(headers, piece), store=store)
    image_id = request.match_info["image_id"]
    upload = await services(request).uploads.join(principal(request), image_id, expected, staged=staged)
    return await _receive(request, upload, piece)


async def _receive(request: web.Request, upload: Upload, piece: Piece) -> web.Response:
    return await answer_to(request, await receive(request, upload, piece))


async def answer_to(request: web.Request, progress: Progress) -> web.Response:
    """204 when nothing more is to be sent; 202 with the upload before."""
    if progress.image is not None or (progress.upload.staged and progress.upload.is_whole):
        return web.Response(status=204)
    return await document_response(request, progress.upload, status=202, most=SHOWN_OF_A_PIECE)


async def _answer(request: web.Request, question: Question) -> web.Response:
    """Answer with the state of the upload, or that the image has all its bytes, which its client may not know."""
    uploads, images, image_id = services(request).uploads, services(request).images, request.match_info["image_id"]
    for upload in await uploads.of_image(principal(request), image_id):
        if not upload.complete:
            resumed = await uploads.resume(upload, principal(request))
            return await document_response(request, resumed, status=202)
    image = await images.get(principal(request), image_id)
    if image.has_data and image.size == question.size:
        return web.Response(status=204)
    raise Conflict(f"image {image_id} is {image.status} and has no open upload; send a piece to open one")
