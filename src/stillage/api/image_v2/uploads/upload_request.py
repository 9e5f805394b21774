"""What every protocol needs: find the upload of a request, and receive its body as a piece."""

from collections.abc import AsyncIterator

from aiohttp import web

from stillage.api.http.time_limits import image_bytes, let_take_long
from stillage.api.services import PRINCIPAL, note, principal, public_url, services
from stillage.images.upload import Expected, Piece, Progress, Upload

WAS_WHOLE = web.RequestKey("was_whole", bool)
"""Set once the whole body of a request was received."""


async def open_upload(request: web.Request, expected: Expected) -> Upload:
    upload = await services(request).uploads.open(principal(request), request.match_info["image_id"], expected)
    note(request, upload=upload.id)
    return upload


async def upload_of(request: web.Request) -> Upload:
    """Return the upload in the request's path, by its id or by its capability.

    Raises:
        UploadNotFound: If there is none, or the principal may not see it.
        UploadGone: If it has ended without success.
    """
    principal, image_id, name = request.get(PRINCIPAL), request.match_info["image_id"], request.match_info["upload"]
    upload = await services(request).uploads.find(principal, image_id, name)
    note(request, upload=upload.id)
    return upload


async def receive(request: web.Request, upload: Upload, piece: Piece, *, opened: bool = False) -> Progress:
    """Receive the request's body as *piece* of *upload*. *opened*: by this very request."""
    app_services = services(request)
    if piece.zeros or not piece.length:
        let_take_long(request)  # there may be no body, which would do so, but a verdict to wait for
    body = nothing() if piece.zeros else _noted_at_end(request)
    with app_services.metrics.piece() as ended:
        receive_piece = app_services.uploads.receive_first if opened else app_services.uploads.receive
        progress = await receive_piece(upload, piece, body, request.get(PRINCIPAL))
        if progress.image is not None:
            ended("stored")
    return progress


async def _noted_at_end(request: web.Request) -> AsyncIterator[bytes]:
    async for part in image_bytes(request):
        yield part
    request[WAS_WHOLE] = True


def location_of(request: web.Request, upload: Upload) -> str:
    """The upload's capability URL. Anyone who knows it can resume the upload, so only its owner is shown it."""
    return f"{public_url(request)}{path_of(request, upload)}"


def path_of(request: web.Request, upload: Upload) -> str:
    return f"/v2/images/{upload.image_id}/uploads/{services(request).uploads.capability(upload)}"


async def nothing() -> AsyncIterator[bytes]:
    """A body without bytes."""
    return
    yield b""
