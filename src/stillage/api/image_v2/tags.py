"""Add and remove one tag of an image. Source: OpenStack Image API v2, "Image tags"."""

from aiohttp import web

from stillage.api.services import principal, services


async def add(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/tags/{tag}: add a tag."""
    image_id, tag = request.match_info["image_id"], request.match_info["tag"]
    await services(request).images.add_tag(principal(request), image_id, tag)
    return web.Response(status=204)


async def remove(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}/tags/{tag}: remove a tag."""
    image_id, tag = request.match_info["image_id"], request.match_info["tag"]
    await services(request).images.remove_tag(principal(request), image_id, tag)
    return web.Response(status=204)
