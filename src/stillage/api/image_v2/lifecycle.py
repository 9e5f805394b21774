"""Deprecate images, make them obsolete, reactivate them. Beside the actions of Glance: see docs/families.md."""

from datetime import datetime
from typing import Any

from aiohttp import web

from stillage.api.http.body import length_of
from stillage.api.http.json_bodies import json_object
from stillage.api.services import note, principal, services
from stillage.errors import InvalidInput
from stillage.images import lifecycle
from stillage.images.lifecycle import REPLACED_BY
from stillage.images.values import text

AT = "at"


async def deprecate(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/actions/deprecate: mark an image as replaced by another; it can be used as before."""
    image_id, given = request.match_info["image_id"], await _given(request)
    await services(request).lifecycle.deprecate(principal(request), image_id, **given)
    return web.Response(status=204)


async def obsolete(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/actions/obsolete: hide an image from lists, and refuse downloads of it."""
    image_id, given = request.match_info["image_id"], await _given(request)
    await services(request).lifecycle.obsolete(principal(request), image_id, **given)
    return web.Response(status=204)


async def reactivate(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/actions/reactivate: undo deactivate, deprecate and obsolete."""
    await services(request).lifecycle.reactivate(principal(request), request.match_info["image_id"])
    return web.Response(status=204)


async def _given(request: web.Request) -> dict[str, Any]:
    """Return the arguments in the body, which may be missing."""
    document = await json_object(request) if length_of(request) != 0 else {}
    if unknown := sorted(document.keys() - {REPLACED_BY, AT}):
        raise InvalidInput(f"unknown member {unknown[0][:64]!r}; use {REPLACED_BY} or {AT}")
    replaced_by = document.get(REPLACED_BY)
    if replaced_by is not None:
        text(REPLACED_BY, replaced_by)
        note(request, replaced_by=replaced_by)
    return {"replaced_by": replaced_by, "at": _moment(document.get(AT))}


def _moment(given: object) -> datetime | None:
    if given is None:
        return None
    at = lifecycle.moment(given) if isinstance(given, str) else None
    if at is None:
        raise InvalidInput(f"{AT} must be a date such as 2027-06-30 or 2027-06-30T12:00:00Z")
    return at
