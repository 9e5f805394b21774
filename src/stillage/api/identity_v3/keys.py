"""Access keys, permanent and temporary.

Source: Huawei Cloud, IAM API Reference, "Access Key Management".
"""

from aiohttp import web

from stillage.accounts.key_request import key_change_of, key_request_of, temporary_request_of
from stillage.api.credentials import TOKEN
from stillage.api.http.json_bodies import json_of, json_response
from stillage.api.identity_v3.request import MAX_BODY, identity, principal_of
from stillage.api.identity_v3.shape import key_document, temporary_document
from stillage.api.services import PRINCIPAL, note, principal


async def create(request: web.Request) -> web.Response:
    """POST /v3.0/OS-CREDENTIAL/credentials: create an access key. Only this answer has the secret."""
    who = principal(request)
    made = await identity(request).access_keys.create(who, key_request_of(await json_of(request, limit=MAX_BODY)))
    note(request, target=made.key.access)
    return json_response({"credential": key_document(made.key, secret=made.secret)}, status=201)


async def create_temporary(request: web.Request) -> web.Response:
    """POST /v3.0/OS-CREDENTIAL/securitytokens: create a temporary access key from a token.

    The token is in the body or in the head. A signature gets none: nothing would end the pair with the key.
    """
    wanted = temporary_request_of(await json_of(request, limit=MAX_BODY))
    token = await identity(request).token_of(wanted.token or request.headers.get(TOKEN) or "")
    request[PRINCIPAL] = principal_of(token)
    made = await identity(request).access_keys.create_temporary(token, wanted.duration_s)
    note(request, target=made.key.access)
    return json_response({"credential": temporary_document(made)}, status=201)


async def list_all(request: web.Request) -> web.Response:
    """GET /v3.0/OS-CREDENTIAL/credentials: the permanent access keys of `user_id`, by default the user's own."""
    found = await identity(request).access_keys.list_of(principal(request), request.query.get("user_id"))
    return json_response({"credentials": [key_document(key) for key in found]})


async def show(request: web.Request) -> web.Response:
    """GET /v3.0/OS-CREDENTIAL/credentials/{access}: one access key."""
    found = await identity(request).access_keys.show(principal(request), **request.match_info)
    return json_response({"credential": key_document(found)})


async def change(request: web.Request) -> web.Response:
    """PUT /v3.0/OS-CREDENTIAL/credentials/{access}: change its status or description."""
    who = principal(request)
    wanted = key_change_of(await json_of(request, limit=MAX_BODY))
    changed = await identity(request).access_keys.change(who, request.match_info["access"], wanted)
    return json_response({"credential": key_document(changed)})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v3.0/OS-CREDENTIAL/credentials/{access}: delete an access key."""
    await identity(request).access_keys.delete(principal(request), **request.match_info)
    return web.Response(status=204)
