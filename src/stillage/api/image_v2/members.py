"""Share images: add, list, show, accept or reject, and remove members. Source: OpenStack Image API v2, "Sharing"."""

from aiohttp import web

from stillage.api.http.json_bodies import json_of, json_response
from stillage.api.image_v2.shape import member_view, members_view
from stillage.api.services import note, principal, services
from stillage.images.member import member_id_of, status_of


async def add(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/members: share the image with a project."""
    member_id = member_id_of(await json_of(request))
    note(request, member=member_id)
    member = await services(request).members.add(principal(request), request.match_info["image_id"], member_id)
    return json_response(member_view(member))


async def list_members(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/members: the projects it is shared with."""
    return json_response(
        members_view(await services(request).members.list(principal(request), request.match_info["image_id"]))
    )


async def show(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/members/{member_id}: one project it is shared with."""
    image_id, member_id = request.match_info["image_id"], request.match_info["member_id"]
    return json_response(member_view(await services(request).members.get(principal(request), image_id, member_id)))


async def answer(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/members/{member_id}: accept or reject the image, or reset that to pending."""
    status = status_of(await json_of(request))
    note(request, status=status)
    image_id, member_id = request.match_info["image_id"], request.match_info["member_id"]
    member = await services(request).members.answer(principal(request), image_id, member_id, status)
    return json_response(member_view(member))


async def remove(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}/members/{member_id}: stop sharing with a project."""
    image_id, member_id = request.match_info["image_id"], request.match_info["member_id"]
    await services(request).members.remove(principal(request), image_id, member_id)
    return web.Response(status=204)
