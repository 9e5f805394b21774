"""List and change images, as IMS has it. Source: IMS API Reference, "Querying Images", "Updating an Image"."""

import asyncio

from aiohttp import web

from stillage.api.http.json_bodies import SHOWN_AT_ONCE, json_of, json_response
from stillage.api.ims import query
from stillage.api.ims.shape import image_view, images_view
from stillage.api.services import note, principal, services
from stillage.errors import ImsRefusal
from stillage.images import ims_values, patch
from stillage.images.image import Image
from stillage.images.status import Status


async def list_images(request: web.Request) -> web.Response:
    """GET /v2/cloudimages: a page of the images that match the query, newest first by default."""
    operations, by = services(request).images, principal(request)
    translated = query.parse(request.query.items())
    wanted = translated.apply(operations.query(by, translated.pairs))
    images = await operations.page(wanted)
    if len(images) <= SHOWN_AT_ONCE:
        return json_response(images_view(images, by.project_id))
    return await asyncio.to_thread(lambda: json_response(images_view(images, by.project_id)))


async def update(request: web.Request) -> web.Response:
    """PATCH /v2/cloudimages/{image_id}: change an active image, by a JSON patch of any media type."""
    image_id = request.match_info["image_id"]
    operations = patch.parse(await json_of(request), patch.V2_1)
    checked = ims_values.check_patch(operations, services(request).os_versions)
    note(request, changed=" ".join(dict.fromkeys(operation.name for operation in checked)))
    image = await services(request).images.update(
        principal(request), image_id, list(checked), require=_require_changeable
    )
    return json_response(image_view(image, principal(request).project_id))


def _require_changeable(before: Image, after: Image) -> None:
    if before.status is not Status.ACTIVE:
        raise ImsRefusal("IMG.0046", f"image {before.id} is {before.status}; only active images can be changed")
    ims_values.require_compatible(after.properties)
