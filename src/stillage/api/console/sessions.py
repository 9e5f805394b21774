"""List where a user is signed in, browsers and programs, and sign them out there."""

from aiohttp import web

from stillage.accounts.session import SignedIn
from stillage.api.console import documents
from stillage.api.console.session import PRIVATE, sessions_of
from stillage.api.credentials import text_of
from stillage.api.http.json_bodies import json_response
from stillage.api.services import note, principal
from stillage.times import to_microseconds


async def list_all(request: web.Request) -> web.Response:
    """GET /console/sessions: where you are signed in, the newest first: browsers, and tokens of programs."""
    found = await sessions_of(request).list_of(principal(request), text_of(request))
    document: documents.SignedInPlaces = {"sessions": [_document(each) for each in found]}
    return json_response(document, headers=PRIVATE)


async def end(request: web.Request) -> web.Response:
    """DELETE /console/sessions/{session_id}: sign out there; the session or token ends at once."""
    session_id = request.match_info["session_id"]
    note(request, target=principal(request).user_id)
    await sessions_of(request).end_of(principal(request), session_id)
    return web.Response(status=204, headers=PRIVATE)


def _document(place: SignedIn) -> documents.SignedInPlace:
    return {
        "id": place.id,
        "kind": place.kind,
        "project_id": place.project_id,
        "project_name": place.project_name,
        "credential": place.credential,
        "begun_at": to_microseconds(place.begun_at),
        "used_at": None if place.used_at is None else to_microseconds(place.used_at),
        "expires_at": to_microseconds(place.expires_at),
        "idle_until": None if place.idle_until is None else to_microseconds(place.idle_until),
        "address": place.address,
        "is_current": place.is_current,
    }
