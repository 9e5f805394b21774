"""Authenticate a request by its token or signature, and return its principal."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import BasicAuth, hdrs, web

from stillage.accounts.principal import Principal
from stillage.accounts.secrets import digest_of
from stillage.api.gateway.signatures import find_signatures, signer_of
from stillage.api.services import identity_url, principal, services
from stillage.api.session_cookie import cookie_of, session_of
from stillage.errors import Unauthenticated
from stillage.identity.base import Sessions
from stillage.operations.identity.signatures import require_project

TOKEN = "X-Auth-Token"  # noqa: S105 - the header's name
SERVICE_TOKEN = "X-Service-Token"  # noqa: S105
SIGNED_S = 60.0
UNAUTHENTICATED = "The request you have made requires authentication."


async def principal_of(request: web.Request, *, takes_password: bool = False) -> Principal:
    """Return the principal of *request*. A signature takes precedence over a token, and that over a session.

    Args:
        request: Its body is unread.
        takes_password: A token may also be the password of HTTP Basic authentication, with any user name.

    Raises:
        Unauthenticated: If there is none of them, or it is not valid.
        CrossSite: If there is a session only, and a page of another site sent the request.
    """
    if (signatures := find_signatures(request)) is not None:
        return require_project(await signer_of(request, signatures))
    token, service_token = only(request, TOKEN), only(request, SERVICE_TOKEN)
    if not token and takes_password:
        token = _password_of(request)
    if not token and cookie_of(request).text:
        return (await session_of(request)).principal
    if not token and services(request).embedded is None and hdrs.AUTHORIZATION in request.headers:
        raise Unauthenticated(f"signed requests are not accepted here; send a token from {identity_url(request)}")
    if not token:
        raise Unauthenticated(UNAUTHENTICATED)
    return await services(request).identity.principal_of(token, service_token=service_token)


def credentials_of(request: web.Request) -> tuple[str, Callable[[], Awaitable[Principal]]]:
    """Return what names the credentials of *request*, and what looks its principal up again.

    Looking up a session is no use of it. A signature is not verified again: it is taken for ended after `SIGNED_S`.
    """
    app_services = services(request)
    token, service_token = only(request, TOKEN), only(request, SERVICE_TOKEN)
    if find_signatures(request) is None and token:
        return digest_of(f"{token} {service_token}"), partial(
            app_services.identity.principal_of, token, service_token=service_token
        )
    if find_signatures(request) is None and app_services.sessions is not None and (text := cookie_of(request).text):
        return digest_of(text), partial(_principal_of_session, app_services.sessions, text)
    return f"{id(request)}", partial(_for_a_while, principal(request), time.monotonic() + SIGNED_S)


def text_of(request: web.Request) -> str | None:
    """Return the token or session that authenticated *request*, as `principal_of` chooses; None for a signature."""
    if find_signatures(request) is not None:
        return None
    return only(request, TOKEN) or cookie_of(request).text or None


async def _principal_of_session(sessions: Sessions, text: str) -> Principal:
    return (await sessions.find(text, is_use=False)).principal


async def _for_a_while(signer: Principal, until_s: float) -> Principal:
    if time.monotonic() > until_s:
        raise Unauthenticated
    return signer


def _password_of(request: web.Request) -> str | None:
    given = only(request, hdrs.AUTHORIZATION)
    try:
        return BasicAuth.decode(given).password if given else None
    except ValueError:
        return None


def only(request: web.Request, name: str) -> str | None:
    """Return the value of a header; Unauthenticated if it is sent twice, because a proxy may have used either."""
    values = set(request.headers.getall(name, ()))
    if len(values) > 1:
        raise Unauthenticated(UNAUTHENTICATED)
    return next(iter(values), None)
