"""Show where the bytes of images are. Source: OpenStack Image API v2, "Locations"."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2 import documents
from stillage.api.services import REQUEST_ID, note, principal, services
from stillage.images.image import Image
from stillage.images.import_request import location_request
from stillage.images.location import Location, Shown
from stillage.operations.imports.accepting import Asked


async def list_locations(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/locations: where the data of an image is, for services."""
    found = await services(request).locations.fetch(principal(request), request.match_info["image_id"])
    return json_response([_view(each) for each in found])


async def add(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/locations: fetch the data of an image from a URL, in the background, and verify it.

    Unlike Glance, the bytes are copied to the default store: nothing is served that was not verified.
    """
    wanted = location_request(await json_object(request))
    asked = Asked(request_id=request[REQUEST_ID])
    job = await services(request).imports(principal(request), request.match_info["image_id"], wanted, asked)
    note(request, method=wanted.method, **({} if job is None else {"task": job.id}))
    return web.Response(status=202)


async def locations_of(request: web.Request, images: Sequence[Image]) -> Mapping[str, documents.Located]:
    """Return what *images* say of where their bytes are, by their ids, as far as the operator wants that."""
    known = services(request).locations
    if not known.are_shown:
        return {}
    found = await known.of(principal(request), images)
    return {image.id: _located(found.get(image.id, ()), known.shown) for image in images}


def _located(locations: Sequence[Location], shown: Shown) -> documents.Located:
    document: documents.Located = {}
    if shown.all:
        document["locations"] = [_view(each) for each in locations]
    if shown.first and locations:
        document["direct_url"] = locations[0].url
    return document


def _view(location: Location) -> documents.Location:
    return {"url": location.url, "metadata": {"store": location.store}}
