"""Application credentials.

Source: Identity API v3, "Application credentials".
"""

from aiohttp import web

from stillage.accounts.credential_request import credential_request_of
from stillage.api.http.json_bodies import json_of, json_response
from stillage.api.identity_v3.request import MAX_BODY, base_url, identity, self_url
from stillage.api.identity_v3.shape import credential_document, list_document
from stillage.api.services import note, principal


async def create(request: web.Request) -> web.Response:
    """POST /v3/users/{user_id}/application_credentials: create one. Only this answer has the secret."""
    who = principal(request)
    wanted = credential_request_of(await json_of(request, limit=MAX_BODY))
    made, secret = await identity(request).credentials.create(who, request.match_info["user_id"], wanted)
    note(request, target=made.id)
    document = credential_document(made, base_url(request), secret=secret)
    return json_response({"application_credential": document}, status=201)


async def list_all(request: web.Request) -> web.Response:
    """GET /v3/users/{user_id}/application_credentials: list them; `name` filters."""
    who, user_id = principal(request), request.match_info["user_id"]
    found = await identity(request).credentials.list_of(who, user_id, request.query.get("name"))
    documents = [credential_document(credential, base_url(request)) for credential in found]
    return json_response(list_document("application_credentials", documents, self_url(request)))


async def show(request: web.Request) -> web.Response:
    """GET /v3/users/{user_id}/application_credentials/{credential_id}: one of them."""
    found = await identity(request).credentials.show(principal(request), **request.match_info)
    return json_response({"application_credential": credential_document(found, base_url(request))})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v3/users/{user_id}/application_credentials/{credential_id}: delete one."""
    await identity(request).credentials.delete(principal(request), **request.match_info)
    return web.Response(status=204)
