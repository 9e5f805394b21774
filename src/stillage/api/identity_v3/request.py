"""What all handlers of the identity API need of a request: authentication, URLs, limits."""

from dataclasses import replace

from aiohttp import web

from stillage.accounts.principal import Kind, Principal
from stillage.accounts.token import Token
from stillage.api.credentials import TOKEN
from stillage.api.gateway.signatures import find_signatures, signer_of
from stillage.api.services import PRINCIPAL, public_url, services
from stillage.api.session_cookie import cookie_of, session_of
from stillage.operations.identity.embedded import EmbeddedIdentity

MAX_BODY = 64 * 1024
"""Nothing that this API takes is nearly as large."""


def identity(request: web.Request) -> EmbeddedIdentity:
    embedded = services(request).embedded
    assert embedded is not None  # noqa: S101 - without it these routes are not there
    return embedded


async def authenticate(request: web.Request) -> None:
    """Authenticate by signature, by token, which need not be scoped to a project, or by a session of the console.

    Raises:
        Unauthenticated: If there is none of them, or it is not good.
        CrossSite: If there is a session only, and a page of another site sent the request.
    """
    if request.match_info.http_exception is not None:
        return  # as Keystone: what it has no route for is 404 or 405 before anybody is asked for a token
    if (signatures := find_signatures(request)) is not None:
        request[PRINCIPAL] = await signer_of(request, signatures)
    elif TOKEN not in request.headers and cookie_of(request).text:
        request[PRINCIPAL] = (await session_of(request)).principal
    else:
        request[PRINCIPAL] = principal_of(await identity(request).token_of(request.headers.get(TOKEN, "")))


def principal_of(token: Token) -> Principal:
    """Return the principal of *token*. Its kind, for the audit of this API, is how the user first logged in."""
    return replace(token.principal, kind=Kind(token.methods[-1]))


def base_url(request: web.Request) -> str:
    """The API's own URL, ending in ``/v3``: the one of the two through which the client came."""
    prefix = "/identity" if request.path.startswith("/identity") else ""
    return f"{public_url(request)}{prefix}/v3"


def self_url(request: web.Request) -> str:
    """The public URL of what was asked for."""
    return f"{public_url(request)}{request.rel_url}"
