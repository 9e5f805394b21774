"""Upload and download an image's data. Source: OpenStack Image API v2, "Image data"."""

from aiohttp import hdrs, web

from stillage.api.http.sending import send
from stillage.api.http.time_limits import image_bytes, let_take_long
from stillage.api.image_v2 import disks
from stillage.api.image_v2.disks import HARMLESS
from stillage.api.image_v2.images import latest_id
from stillage.api.image_v2.ranges import etag_of, part_of, precondition_status
from stillage.api.image_v2.upload_headers import expected_of
from stillage.api.image_v2.uploads import ietf, ietf_headers, pieces
from stillage.api.services import principal, services


async def upload(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/file: upload the data. 204 when the image is active and durable.

    If the upload breaks, nothing of it is kept, unless the client uses one of the protocols in `uploads`.

    Source: IMS API Reference, "Uploading an Image (Native OpenStack API)".
    """
    if hdrs.CONTENT_RANGE in request.headers:
        return await pieces.put_file(request)
    if ietf_headers.is_asked_for(request.headers):
        return await ietf.create(request)
    app_services = services(request)
    expected = expected_of(request)
    with app_services.metrics.upload():
        await app_services.ingest(principal(request), request.match_info["image_id"], image_bytes(request), expected)
    return web.Response(status=204)


async def download(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /v2/images/{image_id}/file: download the data, or one range of it. 204 if there is none yet.

    With `disk_format`, and `subformat`, it is converted meanwhile; see docs/converting.md. With `Prefer: redirect` it
    may be 307, to the bytes in an object store; see docs/stores.md.
    """
    app_services = services(request)
    image = await app_services.download.describe(principal(request), await latest_id(request))
    if disks.is_conversion(request):
        wanted = disks.wanted_by(request)
        any_subformat = "subformat" not in request.query
        if not await app_services.views.is_original(image, wanted, any_subformat=any_subformat):
            return await disks.send_as(request, image, wanted)
    if not image.has_data or image.size is None:
        return web.Response(status=204, headers=HARMLESS)
    etag = etag_of(image)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", **HARMLESS}
    if image.id != request.match_info["image_id"]:  # the latest of a family: another time it may be another image
        headers["Content-Location"] = f"/v2/images/{image.id}/file"
    if (status := precondition_status(request, etag)) is not None:
        return web.Response(status=status, headers=headers)
    part = part_of(request, image.size, etag)
    # In lower-case hex, and of the whole image even for a range: clients expect that.
    headers |= part.headers(image.size) | {"Content-MD5": image.checksum or ""}
    response = web.StreamResponse(status=200 if part.whole else 206, headers=headers)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    if _prefers_redirect(request) and (url := await app_services.download.locate(image)) is not None:
        return web.Response(status=307, headers={"Location": url, "ETag": etag, "Content-MD5": image.checksum or ""})
    async with app_services.download.open(image) as reader:
        let_take_long(request)
        await response.prepare(request)
        await send(request, response, reader, part.first, part.length)
    app_services.metrics.sent.inc(part.length)
    await response.write_eof()
    return response


def _prefers_redirect(request: web.Request) -> bool:
    """Return whether the client can be sent elsewhere: few can without sending their token along. Source: RFC 7240."""
    preferences = ",".join(request.headers.getall("Prefer", ())).split(",")
    return any(preference.strip().lower() == "redirect" for preference in preferences)
