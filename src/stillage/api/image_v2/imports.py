"""Stage the bytes of an image, and import them. Source: OpenStack Image API v2, "Interoperable image import"."""

from dataclasses import replace

from aiohttp import hdrs, web

from stillage.api.credentials import TOKEN
from stillage.api.http.json_bodies import json_object
from stillage.api.http.time_limits import image_bytes
from stillage.api.image_v2.upload_headers import STORE, expected_of
from stillage.api.image_v2.uploads import pieces
from stillage.api.services import REQUEST_ID, note, principal, services
from stillage.errors import InvalidInput, StagingDisabled
from stillage.images.import_request import ImportRequest, Method, parse
from stillage.operations.imports.accepting import Asked


async def stage(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/stage: send the data of an image that an import verifies later. 204 when it is durable.

    With `Content-Range` the body is a piece, as of any resumable upload. Source: OpenStack Image API v2, "Stage binary
    image data".
    """
    if Method.STAGED not in services(request).imports.methods:
        raise StagingDisabled
    if hdrs.CONTENT_RANGE in request.headers:
        return await pieces.put_file(request, staged=True)
    # Where it is kept is not for the client to say: the import says which stores get it.
    expected = replace(expected_of(request), store=None)
    with services(request).metrics.upload():
        body = image_bytes(request)
        await services(request).uploads.stage(principal(request), request.match_info["image_id"], expected, body)
    return web.Response(status=204)


async def start(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/import: import an image in the background. 202 when the job is accepted.

    Source: OpenStack Image API v2, "Import an image".
    """
    imports = services(request).imports
    wanted = _with_header(request, parse(await json_object(request), imports.methods))
    asked = Asked(request.headers.get(TOKEN), request[REQUEST_ID])
    job = await imports(principal(request), request.match_info["image_id"], wanted, asked)
    note(request, method=wanted.method, **({} if job is None else {"task": job.id}))
    return web.Response(status=202)


def _with_header(request: web.Request, wanted: ImportRequest) -> ImportRequest:
    """Return *wanted* with the store that a header names, the older way to do so."""
    if STORE not in request.headers:
        return wanted
    if wanted.all_stores or wanted.stores is not None:
        raise InvalidInput(f"{STORE} and stores or all_stores exclude each other; use one of them")
    store = request.headers[STORE]
    return replace(wanted, stores=(store,))
