"""Users.

Source: Identity API v3, "Users".
"""

from functools import partial

from aiohttp import web

from stillage.accounts.people_request import new_user_of, password_request_of, user_change_of
from stillage.api.http.json_bodies import json_of, json_response
from stillage.api.identity_v3.pages import page_of, page_response
from stillage.api.identity_v3.request import MAX_BODY, base_url, identity
from stillage.api.identity_v3.shape import user_document
from stillage.api.services import note, principal, services


async def search(request: web.Request) -> web.Response:
    """GET /v3/users: users by name, for administrators.

    `name`, `name__icontains`, `enabled` and `domain_id` filter; `limit` and `marker` page.
    """
    page = page_of(request)
    found = await identity(request).people.page(principal(request), page)
    return page_response(request, "users", found, page, partial(user_document, base_url=base_url(request)))


async def create(request: web.Request) -> web.Response:
    """POST /v3/users: create a user, for administrators. They have no role until one is assigned."""
    wanted = new_user_of(await json_of(request, limit=MAX_BODY))
    user = await identity(request).people.create(principal(request), wanted)
    note(request, target=user.id)
    return json_response({"user": user_document(user, base_url(request))}, status=201)


async def show(request: web.Request) -> web.Response:
    """GET /v3/users/{user_id}: a user, for administrators and the user."""
    user = await identity(request).people.show(principal(request), request.match_info["user_id"])
    return json_response({"user": user_document(user, base_url(request))})


async def change(request: web.Request) -> web.Response:
    """PATCH /v3/users/{user_id}: change a user, for administrators. A new password or `enabled` ends their tokens."""
    user_id = request.match_info["user_id"]
    note(request, target=user_id)
    wanted = user_change_of(await json_of(request, limit=MAX_BODY), user_id)
    user = await identity(request).people.change(principal(request), user_id, wanted)
    return json_response({"user": user_document(user, base_url(request))})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v3/users/{user_id}: delete a user with their roles, tokens and keys, for administrators."""
    note(request, target=request.match_info["user_id"])
    await identity(request).people.delete(principal(request), request.match_info["user_id"])
    return web.Response(status=204)


async def change_password(request: web.Request) -> web.Response:
    """POST /v3/users/{user_id}/password: change one's own password, with the original one. All one's tokens end."""
    user_id = request.match_info["user_id"]
    note(request, target=user_id)
    wanted = password_request_of(await json_of(request, limit=MAX_BODY))
    address = services(request).addresses.client(request)
    await identity(request).people.change_password(principal(request), user_id, wanted, address)
    return web.Response(status=204)
