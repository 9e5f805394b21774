"""Add and remove one tag of an image. Source: OpenStack Image API v2, "Image tags".

Where the IMS document is followed, a tag in a path is a key, and its tag replaces one of the same key.
"""

from functools import partial

from aiohttp import web

from stillage.api.services import principal, services
from stillage.images import keyed_tags


async def add(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/tags/{tag}: add a tag."""
    images, image_id, tag = services(request).images, request.match_info["image_id"], request.match_info["tag"]
    if services(request).profile.follows_ims:
        change = partial(keyed_tags.with_tags, new=[keyed_tags.of_path(tag)])
        await images.change_tags(principal(request), image_id, change)
    else:
        await images.add_tag(principal(request), image_id, tag)
    return web.Response(status=204)


async def remove(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}/tags/{tag}: remove a tag."""
    images, image_id, tag = services(request).images, request.match_info["image_id"], request.match_info["tag"]
    if services(request).profile.follows_ims:
        await images.change_tags(principal(request), image_id, partial(keyed_tags.without_text, tag=tag))
    else:
        await images.remove_tag(principal(request), image_id, tag)
    return web.Response(status=204)
