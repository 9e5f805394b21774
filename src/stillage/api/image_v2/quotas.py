"""Quotas of projects, and what they use. Glance has no such calls: its limits are in Keystone."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2 import admin_documents as documents
from stillage.api.paging import following, limit_of, marker_of
from stillage.api.services import note, principal, services
from stillage.errors import InvalidInput
from stillage.images.quota import NO_LIMIT, Limits, Quota, own_limits_of

MAX_BODY = 4 << 10


async def show(request: web.Request) -> web.Response:
    """GET /v2/quotas/{project_id}: what a project uses and may use; another project for administrators only."""
    found = await services(request).quotas.show(principal(request), request.match_info["project_id"])
    return json_response(_document(found))


async def change(request: web.Request) -> web.Response:
    """PUT /v2/quotas/{project_id}: replace the limits of one project, for administrators.

    The body is `{"limits": {"bytes": 1099511627776, "images": -1}}`: -1 is no limit; what is null or missing is left
    to the settings. What the project uses already may be more; then it can only use less.
    """
    project_id = request.match_info["project_id"]
    note(request, target=project_id)
    own = own_limits_of(await json_object(request, limit=MAX_BODY))
    return json_response(_document(await services(request).quotas.set(principal(request), project_id, own)))


async def reset(request: web.Request) -> web.Response:
    """DELETE /v2/quotas/{project_id}: leave all limits of a project to the settings, for administrators."""
    project_id = request.match_info["project_id"]
    note(request, target=project_id)
    await services(request).quotas.set(principal(request), project_id, Limits())
    return web.Response(status=204)


async def list_own(request: web.Request) -> web.Response:
    """GET /v2/quotas: the projects that have limits of their own, by id, for administrators."""
    limit, marker = limit_of(request), marker_of(request)
    found = await services(request).quotas.own(principal(request), limit, marker)
    return _page(request, "quotas", found, limit)


async def usage(request: web.Request) -> web.Response:
    """GET /v2/usage: what projects use and may use, by id: all of them for administrators, else one's own."""
    if (by := request.query.get("by", "project")) != "project":
        raise InvalidInput(f"unknown by {by[:32]!r}; use by=project")
    limit, marker = limit_of(request), marker_of(request)
    found = await services(request).quotas.usage(principal(request), limit, marker)
    return _page(request, "usage", found, limit)


def _page(request: web.Request, name: str, found: Sequence[Quota], limit: int) -> web.Response:
    """Return the first *limit* of *found*, and where others are if there are more."""
    answer: dict[str, Any] = {name: [_document(quota) for quota in found[:limit]]}
    if len(found) > limit:
        answer["next"] = following(request, found[limit - 1].project_id)
    return json_response(answer)


def _document(quota: Quota) -> documents.ProjectQuota:
    limits = {name: NO_LIMIT if limit is None else limit for name, limit in asdict(quota.limits).items()}
    document: documents.ProjectQuota = {
        "project_id": quota.project_id,
        "limits": cast(documents.QuotaNumbers, limits),
        "own": [name for name, limit in asdict(quota.own).items() if limit is not None],
        "usage": {**asdict(quota.usage), "jobs": quota.jobs},  # type: ignore[typeddict-item]
    }
    return document if quota.project_name is None else {**document, "project_name": quota.project_name}
