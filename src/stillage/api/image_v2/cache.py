"""Show and change what this node keeps of images in its cache. Source: OpenStack Image API v2, "Image cache"."""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import documents
from stillage.api.services import principal, services
from stillage.errors import Conflict, InvalidInput
from stillage.ids import ImageId
from stillage.stores.abilities import Cached

TARGET = "x-image-cache-clear-target"
TARGETS = ("cache", "queue")


async def show(request: web.Request) -> web.Response:
    """GET /v2/cache: which images this node has cached, and which this process is to cache; none without a cache."""
    found = await services(request).cache.contents(principal(request))
    document: documents.CachedImages = {
        "cached_images": [_view(image_id, each) for image_id, each in found.cached.items()],
        "queued_images": list(found.queued),
    }
    return json_response(document)


async def queue(request: web.Request) -> web.Response:
    """PUT /v2/cache/{image_id}: have an image cached in the background."""
    await services(request).cache.queue(principal(request), request.match_info["image_id"])
    return web.Response(status=202)


async def drop(request: web.Request) -> web.Response:
    """DELETE /v2/cache/{image_id}: remove an image from the cache, and from those that wait."""
    await services(request).cache.drop(principal(request), request.match_info["image_id"])
    return web.Response(status=204)


async def clear(request: web.Request) -> web.Response:
    """DELETE /v2/cache: remove everything from the cache, from what waits, or from both."""
    target = request.headers.get(TARGET, "").strip().lower()
    if target not in ("", *TARGETS):
        raise InvalidInput(f"{TARGET} must be {' or '.join(TARGETS)}, or left out; it is {target[:64]!r}")
    cache = services(request).cache
    await cache.clear(principal(request), cached=target != "queue", queued=target != "cache")
    return web.Response(status=204)


async def nodes(request: web.Request) -> web.Response:
    """GET /v2/cache/nodes/{image_id}: always 409, because each node knows its own cache alone."""
    services(request).cache.require_cache(principal(request))
    raise Conflict("no list of caches is kept; ask each node what it has cached, with GET /v2/cache")


def _view(image_id: ImageId, cached: Cached) -> documents.CachedImage:
    return {
        "image_id": image_id,
        "hits": cached.hits,
        "last_accessed": cached.read_at,
        "last_modified": cached.filled_at,
        "size": cached.size,
    }
