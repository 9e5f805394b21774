"""Pages of users, projects, roles and domains: what a query asks for, and the answer with its links.

Source: Identity API v3, "Users" and "Projects". As in Keystone, parameters without a meaning are ignored.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web
from yarl import URL

from stillage.accounts.names import DOMAIN_ID, is_name
from stillage.api.http.json_bodies import json_response
from stillage.api.identity_v3.request import self_url
from stillage.api.identity_v3.shape import list_document
from stillage.api.paging import limit_of, marker_of
from stillage.db.people import Page

T = TypeVar("T")

FALSE = frozenset({"0", "false", "no", "off"})


def is_true(request: web.Request, name: str) -> bool:
    """True if the parameter is there and does not say no; a bare ``?name`` counts, as in Keystone."""
    return name in request.query and request.query[name].lower() not in FALSE


def page_of(request: web.Request) -> Page | None:
    """Return the page that is asked for; None if nothing can match."""
    query = request.query
    texts = [query[name] for name in ("name", "name__contains", "name__icontains") if name in query]
    if query.get("domain_id", DOMAIN_ID) != DOMAIN_ID or not all(map(is_name, texts)):
        return None
    return Page(
        limit=limit_of(request),
        marker=marker_of(request),
        name=query.get("name"),
        contains=query.get("name__icontains", query.get("name__contains")),
        enabled=is_true(request, "enabled") if "enabled" in query else None,
    )


def page_response(
    request: web.Request, name: str, things: Sequence[T], page: Page | None, document: Callable[[T], Any]
) -> web.Response:
    """Return *things* as *document* shows each, and where the others are if there are more than *page* wants.

    openstacksdk finds the next page in the header ``Link``.
    """
    answer = list_document(name, [document(thing) for thing in things], self_url(request))
    if page is None or len(things) <= page.limit:
        return json_response(answer)
    answer[name].pop()
    answer["links"]["next"] = following = str(URL(self_url(request)).update_query(marker=answer[name][-1]["id"]))
    return json_response(answer, headers={"Link": f'<{following}>; rel="next"'})
