"""Create, show, list, change, deactivate and delete images. Source: OpenStack Image API v2, "Images"."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import hdrs, web

from stillage.api.http.json_bodies import SHOWN_AT_ONCE, json_object, json_of, json_response
from stillage.api.image_v2 import documents
from stillage.api.image_v2.locations import locations_of
from stillage.api.image_v2.shape import NO_MORE, image_view, list_view
from stillage.api.services import note, principal, public_url, services
from stillage.errors import WrongMediaType
from stillage.ids import StoreId
from stillage.images import families, ims_values, patch
from stillage.images.automatic import automatic, kind_of
from stillage.images.automatic_filters import translate
from stillage.images.image import Image
from stillage.images.paging import is_full
from stillage.images.query import Query
from stillage.operations.families import Page

STORE_IDS = "OpenStack-image-store-ids"
IMPORT_METHODS = "OpenStack-image-import-methods"
COUNT = ("count", "1")
TOTAL = "X-Total-Count"
PATCHES = (patch.V2_1, patch.V2_0)


async def create(request: web.Request) -> web.Response:
    """POST /v2/images: create an image record, queued until its data is uploaded."""
    document = await json_object(request)
    if services(request).profile.follows_ims:
        document = ims_values.of_creation(document)
    image = await services(request).images.create(principal(request), document)
    note(request, target=image.id)
    headers = {"Location": f"{public_url(request)}/v2/images/{image.id}"}
    if methods := services(request).imports.methods:
        headers[IMPORT_METHODS] = ",".join(methods)
    if _has_several_stores(request):
        headers[STORE_IDS] = ",".join(one.id for one in services(request).stores)
    return json_response(await view_of(request, image), status=201, headers=headers)


async def show(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}: the record of an image, or of the latest in a family such as `ubuntu-24.04:latest`."""
    image = await services(request).images.get(principal(request), await latest_id(request))
    return json_response(await view_of(request, image))


async def latest_id(request: web.Request) -> str:
    """Return the id in the path, or that of the image which an address such as ``ubuntu-24.04:latest`` names."""
    return await services(request).families.image_id_of(principal(request), request.match_info["image_id"])


async def list_images(request: web.Request) -> web.Response:
    """GET /v2/images: a page of the images that match the query, newest first by default; `count=1` counts them all.

    `family=NAME&latest=true` lists the latest image of a family alone.
    """
    pairs = [(name, value) for name, value in request.query.items() if (name, value) != COUNT]
    filters, only_latest = families.without_latest(pairs)
    query = _query(request, filters)
    page = await services(request).families.page(query, only_latest=only_latest)
    images = page.images
    several, more = _has_several_stores(request), await _more(request, images)
    counted = await _count(request, query, page) if COUNT in request.query.items() else None

    def shown() -> web.Response:
        full = not page.is_latest and is_full(images, query.limit)
        document = list_view(images, is_full=full, query=pairs, with_stores=several, more=more)
        return json_response(document) if counted is None else _counted(document, *counted)

    return shown() if len(images) <= SHOWN_AT_ONCE else await asyncio.to_thread(shown)


async def _count(request: web.Request, query: Query, page: Page) -> tuple[int, bool]:
    return (len(page.images), False) if page.is_latest else await services(request).images.count(query)


def _counted(document: documents.Images, count: int, has_more: bool) -> web.Response:
    """Return a page that says how many images there are on all pages, or more than how many."""
    document["count"] = count
    if has_more:
        document["count_is_more"] = True
        return json_response(document)
    return json_response(document, headers={TOTAL: str(count)})


async def update(request: web.Request) -> web.Response:
    """PATCH /v2/images/{image_id}: change a record, by a JSON patch in one of two media types."""
    media_type = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if media_type not in PATCHES:
        raise WrongMediaType.of(media_type, PATCHES, PATCHES)
    operations = patch.parse(await json_of(request), media_type)
    if services(request).profile.follows_ims:
        operations = ims_values.of_patch(operations)
    note(request, changed=" ".join(dict.fromkeys(operation.name for operation in operations)))
    image = await services(request).images.update(principal(request), request.match_info["image_id"], operations)
    return json_response(await view_of(request, image))


async def deactivate(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/actions/deactivate: refuse downloads of an active image."""
    await services(request).images.deactivate(principal(request), request.match_info["image_id"])
    return web.Response(status=204)


async def delete(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}: delete an image and its data."""
    await services(request).images.delete(principal(request), request.match_info["image_id"])
    return web.Response(status=204)


async def delete_copy(request: web.Request) -> web.Response:
    """DELETE /v2/stores/{store}/{image_id}: delete the copy of an image in one store; never the last good one.

    Source: OpenStack Image API v2, "Delete image from store".
    """
    image_id, store = request.match_info["image_id"], StoreId(request.match_info["store"])
    await services(request).images.delete_copy(principal(request), image_id, store)
    return web.Response(status=204)


def _has_several_stores(request: web.Request) -> bool:
    return len(services(request).stores) > 1


def _query(request: web.Request, pairs: list[tuple[str, str]]) -> Query:
    operations = services(request).images
    if not services(request).profile.follows_ims:
        return operations.query(principal(request), pairs)
    translated = translate(pairs)
    return translated.apply(operations.query(principal(request), translated.pairs))


async def _more(request: web.Request, images: Sequence[Image]) -> Callable[[Image], Mapping[str, Any]]:
    """Return what gives the attributes that an image is shown with beside those of its record."""
    located = await locations_of(request, images)
    if not services(request).profile.follows_ims:
        return lambda image: located.get(image.id, NO_MORE)
    project = principal(request).project_id
    return lambda image: {**automatic(image, kind_of(image, project)), **located.get(image.id, NO_MORE)}


async def view_of(request: web.Request, image: Image) -> documents.Image:
    """Return the record of an image as the profile shows it."""
    more = await _more(request, [image])
    return image_view(image, with_stores=_has_several_stores(request), more=more(image))
