"""Show the copies of an image's bytes: which stores have them, and how much of a disk each takes."""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import documents
from stillage.api.services import principal, services


async def of_image(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/copies: which stores have the bytes, and how much of a disk each copy takes."""
    found = await services(request).copies.of(principal(request), request.match_info["image_id"])
    document: documents.Copies = {
        "copies": [
            {"store": copy.store, "size": copy.size, "allocated": copy.allocated, "damage": copy.damage}
            for copy in found
        ]
    }
    return json_response(document)
