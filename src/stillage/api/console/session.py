"""Sign in to the console, show who is signed in, and sign out."""

from aiohttp import web

from stillage.accounts.session import Session, sign_in_of
from stillage.api.console import documents
from stillage.api.credentials import principal_of
from stillage.api.dialects import route_of
from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.services import PRINCIPAL, note, principal, services
from stillage.api.session_cookie import (
    cookie_of,
    require_own_page,
    require_safe_transport,
    session_of,
    set_cookie,
)
from stillage.errors import RouteNotFound
from stillage.identity.base import Sessions
from stillage.times import to_microseconds

MAX_BODY = 16 * 1024
SESSION = web.RequestKey("session", Session)
BY_ANYTHING = frozenset({"GET /console/sessions", "DELETE /console/sessions/{session_id}"})
PRIVATE = {"Cache-Control": "no-store"}


async def sign_in(request: web.Request) -> web.Response:
    """POST /console/session: sign in with user, password and project, or with a link; the answer sets a cookie.

    The cookie stands for the user in every API, where no token and no signature is sent.
    """
    require_own_page(request)
    require_safe_transport(request)
    wanted = sign_in_of(await json_object(request, limit=MAX_BODY))
    opened = await sessions_of(request).sign_in(wanted, services(request).addresses.client(request))
    request[PRINCIPAL] = opened.session.principal
    note(request, target=opened.session.principal.user_id)
    response = json_response(_document(opened.session), status=201, headers=PRIVATE)
    set_cookie(request, response, opened.text)
    return response


async def show(request: web.Request) -> web.Response:
    """GET /console/session: who is signed in, where, and until when."""
    return json_response(_document(request[SESSION]), headers=PRIVATE)


async def sign_out(request: web.Request) -> web.Response:
    """DELETE /console/session: sign out; the session ends."""
    await sessions_of(request).end(cookie_of(request).text)
    note(request, target=principal(request).user_id)
    response = web.Response(status=204, headers=PRIVATE)
    set_cookie(request, response, "")
    return response


async def authenticate(request: web.Request) -> None:
    """Authenticate by the cookie alone, since a token is no session; where sessions are listed, by anything."""
    if route_of(request).name in BY_ANYTHING:
        request[PRINCIPAL] = await principal_of(request)
        return
    session = request[SESSION] = await session_of(request)
    request[PRINCIPAL] = session.principal


def sessions_of(request: web.Request) -> Sessions:
    sessions = services(request).sessions
    if sessions is None:
        raise RouteNotFound
    return sessions


def _document(session: Session) -> documents.ConsoleSession:
    who = session.principal
    return {
        "user": {"id": who.user_id, "name": who.user_name},
        "project": {"id": who.project_id, "name": who.project_name},
        "roles": sorted(who.roles),
        "is_admin": who.is_admin,
        "expires_at": to_microseconds(session.expires_at),
        "idle_until": to_microseconds(session.idle_until),
    }
