"""Reads the audit: a page of events, or all of them as JSON lines."""

from datetime import datetime

from aiohttp import hdrs, web

from stillage import times
from stillage.accounts.names import is_name
from stillage.api.http.json_bodies import encoded, json_response
from stillage.api.image_v2 import admin_documents as documents
from stillage.api.paging import following, limit_of, marker_of
from stillage.api.services import principal, services
from stillage.audit.event_ids import first_id
from stillage.db.audit_events import Query
from stillage.errors import InvalidInput

PAGE = 100
LINES = "application/jsonl"
PARAMETERS = frozenset({"target", "user", "action", "since", "until", "limit", "marker", "format"})


async def read(request: web.Request) -> web.StreamResponse:
    """GET /v2/audit: what was changed or tried, the newest first; see docs/audit.md.

    Administrators see everything, others what people of their project did and what was done to its images. `target`,
    `user`, `action`, `since` and `until` filter; `limit` and `marker` page; `format=jsonl` exports everything.
    """
    if unknown := request.query.keys() - PARAMETERS:
        raise InvalidInput(f"unknown parameter {min(unknown)[:80]!r}; use {', '.join(sorted(PARAMETERS))}")
    query = _query(request)
    match request.query.get("format", "json"):
        case "json":
            return await _page(request, query)
        case "jsonl":
            return await _lines(request, query)
        case other:
            raise InvalidInput(f"unknown format {other[:32]!r}; use json or jsonl")


async def _page(request: web.Request, query: Query) -> web.Response:
    events = await services(request).audit.page(principal(request), query)
    answer: documents.AuditEvents = {"events": list(events[: query.limit])}
    if len(events) > query.limit:
        answer["next"] = following(request, events[query.limit - 1]["id"])
    return json_response(answer)


async def _lines(request: web.Request, query: Query) -> web.StreamResponse:
    headers = {hdrs.CONTENT_TYPE: LINES, hdrs.CONTENT_DISPOSITION: 'attachment; filename="audit.jsonl"'}
    response = web.StreamResponse(headers=headers)
    async for events in services(request).audit.export(principal(request), query):
        if not response.prepared:
            await response.prepare(request)
        await response.write(b"".join(encoded(event) + b"\n" for event in events))
    await response.write_eof()
    return response


def _query(request: web.Request) -> Query:
    marker, until = marker_of(request), _time(request, "until")
    bounds = [bound for bound in (marker, None if until is None else first_id(until)) if bound is not None]
    since = _time(request, "since")
    return Query(
        limit=limit_of(request, default=PAGE),
        before=min(bounds, default=None),
        since=None if since is None else first_id(since),
        target=_text(request, "target"),
        user=_text(request, "user"),
        action=_text(request, "action"),
    )


def _time(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return times.parse(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} must be a time such as 2026-01-02T03:04:05Z, not {text[:40]!r}") from error


def _text(request: web.Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is not None and not is_name(text):
        raise InvalidInput(f"invalid {name} {text[:80]!r}")
    return text
