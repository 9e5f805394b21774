"""Which images of a family are kept, and what a rule would delete: see docs/families.md."""

from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2 import family_documents as documents
from stillage.api.paging import following, limit_of
from stillage.api.services import note, principal, services
from stillage.images.retention import MOST, Rule, rule_of
from stillage.operations.retention import Shown
from stillage.times import to_seconds

MAX_BODY = 4 << 10


async def list_rules(request: web.Request) -> web.Response:
    """GET /v2/retention: the rules of the project, by family."""
    limit = limit_of(request)
    found = await services(request).retention.page(principal(request), limit, request.query.get("marker"))
    answer: dict[str, Any] = {"retention": [_rule(each.family, each.rule) for each in found[:limit]]}
    if len(found) > limit:
        answer["next"] = following(request, found[limit - 1].family)
    return json_response(answer)


async def show(request: web.Request) -> web.Response:
    """GET /v2/retention/{family}: the rule of a family, and what it would delete now.

    With `keep_newest` or `keep_days` in the query: what that rule would delete, set or not.
    """
    given = {name: value for name, value in request.query.items() if name in MOST}
    other = rule_of(given) if given else None
    found = await services(request).retention.show(principal(request), request.match_info["family"], other)
    return json_response(_document(found))


async def change(request: web.Request) -> web.Response:
    """PUT /v2/retention/{family}: set the rule of a family; upkeep deletes by it from now on.

    The body is `{"keep_newest": 5, "keep_days": 90}`, or one of them: an image is kept that meets one of the two.
    """
    rule = rule_of(await json_object(request, limit=MAX_BODY))
    family = request.match_info["family"]
    note(request, target=principal(request).project_id, **_noted(rule))
    return json_response(_document(await services(request).retention.set(principal(request), family, rule)))


async def remove(request: web.Request) -> web.Response:
    """DELETE /v2/retention/{family}: keep all images of a family from now on."""
    family = request.match_info["family"]
    note(request, target=principal(request).project_id)
    await services(request).retention.remove(principal(request), family)
    return web.Response(status=204)


def _noted(rule: Rule) -> dict[str, str]:
    limits = {"keep_newest": rule.keep_newest, "keep_days": rule.keep_days}
    return {name: str(limit) for name, limit in limits.items() if limit is not None}


def _rule(family: str, rule: Rule) -> documents.RetentionRule:
    return {"family": family, "keep_newest": rule.keep_newest, "keep_days": rule.keep_days}


def _document(shown: Shown) -> documents.Retention:
    removes: list[documents.OldImage] = [
        {"id": each.image_id, "name": each.name, "created_at": to_seconds(each.created_at)} for each in shown.removes
    ]
    return {**_rule(shown.family, shown.rule), "removes": removes}
