"""Open, list, show and abandon uploads; and find out which protocol a request speaks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import hdrs, web

from stillage.api.http.body import length_of
from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2.upload_headers import in_order, store_of, upload_headers
from stillage.api.image_v2.uploads import ietf, ietf_headers, tus, tus_headers
from stillage.api.image_v2.uploads.digests import hex_digest
from stillage.api.image_v2.uploads.shape import document_of, document_response
from stillage.api.image_v2.uploads.upload_request import open_upload, upload_of
from stillage.api.services import PRINCIPAL, principal, services
from stillage.errors import InvalidInput, WrongMediaType
from stillage.images.upload import Digests, Expected

METHOD_OVERRIDE = "X-HTTP-Method-Override"
LARGEST = 10**18


async def create(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/uploads: open a resumable upload. The JSON body and all its members are optional."""
    if tus.is_spoken(request):
        return await tus.create(request)
    if ietf_headers.is_asked_for(request.headers):
        return await ietf.create(request)
    store = store_of(request)
    upload = await open_upload(request, replace(await _expected(request), store=store))
    proof = await services(request).uploads.instant.offer(principal(request), upload)
    return await document_response(request, upload, status=201, proof=proof)


async def list_uploads(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/uploads: the open upload of the image, if any."""
    uploads = await services(request).uploads.of_image(principal(request), request.match_info["image_id"])
    return json_response({"uploads": [await document_of(request, upload) for upload in uploads]})


async def show(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/uploads/{upload}: the state of an upload."""
    return await document_response(request, await upload_of(request))


async def head(request: web.Request) -> web.Response:
    """HEAD /v2/images/{image_id}/uploads/{upload}: the offset, as tus or the IETF's draft say it."""
    return await (tus.head(request) if tus.is_spoken(request) else ietf.head(request))


async def patch(request: web.Request) -> web.Response:
    """PATCH /v2/images/{image_id}/uploads/{upload}: append at the offset, by tus or the IETF's draft."""
    media_type = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if tus.is_spoken(request) or media_type == tus_headers.MEDIA_TYPE:
        return await tus.patch(request)
    if media_type == ietf_headers.MEDIA_TYPE:
        return await ietf.patch(request)
    await upload_of(request)
    accepted = (ietf_headers.MEDIA_TYPE, tus_headers.MEDIA_TYPE)
    raise WrongMediaType.of(media_type, accepted, accepted)


async def abandon(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}/uploads/{upload}: abandon an upload. The image is queued again."""
    if tus.is_spoken(request):
        tus.begin(request)
    await services(request).uploads.abandon(await upload_of(request))
    return web.Response(status=204)


async def prove(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/uploads/{upload}/proof: prove possession of the bytes instead of sending."""
    upload = await upload_of(request)
    nonce, digests = _proof(await json_object(request))
    await services(request).uploads.instant.prove(upload, nonce, digests, request.get(PRINCIPAL))
    return web.Response(status=204)


async def override(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/uploads/{upload}: as the method in X-HTTP-Method-Override, for limited clients."""
    methods: Mapping[str, Callable[[web.Request], Awaitable[web.Response]]] = {"PATCH": patch, "DELETE": abandon}
    wanted = request.headers.get(METHOD_OVERRIDE, "").upper()
    if wanted not in methods:
        await upload_of(request)
        raise InvalidInput(f"{METHOD_OVERRIDE} must be {' or '.join(methods)}, not {wanted[:32]!r}")
    return await methods[wanted](request)


async def offer(request: web.Request) -> web.Response:
    """OPTIONS: the upload protocols that the server supports, and their limits."""
    await services(request).images.get(principal(request), request.match_info["image_id"])
    uploads = services(request).uploads
    accepted = {"Accept-Patch": f"{ietf_headers.MEDIA_TYPE}, {tus_headers.MEDIA_TYPE}"}
    return web.Response(status=204, headers=accepted | tus.offered(uploads) | ietf.offered(uploads))


async def _expected(request: web.Request) -> Expected:
    document = await json_object(request) if length_of(request) != 0 else {}
    if unknown := sorted(set(document) - {"size", "digests"}):
        raise InvalidInput(f"unknown member {unknown[0][:32]!r}; use size and digests")
    digests = dict(_digests(document.get("digests"))) | dict(upload_headers(request).image_digests)
    return Expected(_size(document.get("size")), in_order(digests))


def _proof(document: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    nonce, digests = document.get("nonce"), document.get("digests")
    if not isinstance(nonce, str) or not isinstance(digests, list) or not all(isinstance(d, str) for d in digests):
        raise InvalidInput("a proof needs nonce, a string, and digests, a list of hex strings")
    return nonce, digests


def _size(given: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < LARGEST:
        raise InvalidInput(f"size must be a number of bytes or null, not {str(given)[:32]!r}")
    return given


def _digests(given: Any) -> Digests:
    if given is None:
        return ()
    if not isinstance(given, dict):
        raise InvalidInput("digests must be an object of algorithm names and hex digests")
    return tuple((name, hex_digest(name, text)) for name, text in given.items())
