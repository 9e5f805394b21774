"""Show where the bytes of images are. Source: OpenStack Image API v2, "Locations"."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import documents
from stillage.api.services import principal, services
from stillage.images.image import Image
from stillage.images.location import Location, Shown


async def list_locations(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/locations: where the data of an image is, for services."""
    found = await services(request).locations.fetch(principal(request), request.match_info["image_id"])
    return json_response([_view(each) for each in found])


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
