"""Export images to buckets. Source: IMS API Reference, "Exporting an Image"."""

from aiohttp import web

from stillage.api.http.json_bodies import json_object
from stillage.api.ims.jobs import accepted
from stillage.api.services import REQUEST_ID, note, principal, services
from stillage.images import ims_export


async def export(request: web.Request) -> web.Response:
    """POST /v1/cloudimages/{image_id}/file: write an image to a new object of a bucket."""
    wanted = ims_export.parse(await json_object(request))
    note(request, bucket_url=str(wanted.target))
    exports, image_id = services(request).exports, request.match_info["image_id"]
    return accepted(await exports(principal(request), image_id, wanted, request[REQUEST_ID]))
