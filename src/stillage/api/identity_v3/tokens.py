"""Tokens: issue, validate, revoke."""

from aiohttp import web

from stillage.accounts.login_request import login_request_of
from stillage.accounts.token import Token
from stillage.api.http.json_bodies import json_of, json_response
from stillage.api.identity_v3 import documents
from stillage.api.identity_v3.catalogue import catalogue
from stillage.api.identity_v3.request import MAX_BODY, identity, principal_of, self_url
from stillage.api.identity_v3.shape import token_document
from stillage.api.services import PRINCIPAL, note, principal, public_url, services
from stillage.errors import Forbidden

SUBJECT = "X-Subject-Token"


async def create(request: web.Request) -> web.Response:
    """POST /v3/auth/tokens: log in, and get a token.

    The body is JSON whatever its Content-Type says: Huawei's tools write ``utf8`` there, curl writes that it is a form.

    Source: Identity API v3, "Authentication and token management".
    """
    wanted = login_request_of(await json_of(request, limit=MAX_BODY))
    issued = await identity(request).login(wanted, services(request).addresses.client(request))
    note(request, target=issued.token.user_id)
    request[PRINCIPAL] = principal_of(issued.token)
    return json_response(_document(request, issued.token), status=201, headers={SUBJECT: issued.text})


async def show(request: web.Request) -> web.Response:
    """GET and HEAD /v3/auth/tokens: validate the token in X-Subject-Token.

    Source: Identity API v3, "Validate and show information for token".
    """
    subject = request.headers.get(SUBJECT, "")
    token = await identity(request).validate(principal(request), subject)
    return json_response(_document(request, token), headers={SUBJECT: subject})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v3/auth/tokens: revoke the token in X-Subject-Token.

    Source: Identity API v3, "Revoke token".
    """
    await identity(request).revoke(principal(request), request.headers.get(SUBJECT, ""))
    return web.Response(status=204)


async def show_catalogue(request: web.Request) -> web.Response:
    """GET /v3/auth/catalog: the service catalogue of the token.

    Source: Identity API v3, "Get service catalog".
    """
    if principal(request).scope is None:
        raise Forbidden("an unscoped token has no catalogue; use a token that is scoped to a project")
    return json_response({"catalog": _catalogue(request), "links": {"self": self_url(request)}})


def _document(request: web.Request, token: Token) -> documents.TokenAnswer:
    # Whatever the value: a bare "?nocatalog" means it too.
    return token_document(token, None if "nocatalog" in request.query else _catalogue(request))


def _catalogue(request: web.Request) -> list[documents.Service]:
    return catalogue(public_url(request), services(request).region)
