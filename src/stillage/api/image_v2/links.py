"""Make addresses that download one image, and use them. Extensions of Stillage."""

from typing import Any

from aiohttp import web

from stillage.api.http.body import length_of
from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2 import data, documents
from stillage.api.services import principal, public_url, services
from stillage.errors import InvalidInput
from stillage.operations.links import DEFAULT_S
from stillage.times import to_seconds

USE = "GET /v2/images/{image_id}/links/{link}"
"""The route that a link authenticates, and no other."""


async def create(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/links: make an address that downloads the image for a short time, without a token."""
    image_id = request.match_info["image_id"]
    wanted = await json_object(request) if length_of(request) != 0 else {}
    link = await services(request).links.create(principal(request), image_id, _valid_s(wanted))
    document: documents.DownloadLink = {
        "url": f"{public_url(request)}/v2/images/{image_id}/links/{link.text}",
        "expires_at": to_seconds(link.expires_at),
    }
    return json_response(document, status=201, headers={"Cache-Control": "no-store"})


async def use(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /v2/images/{image_id}/links/{link}: download the image, as `GET …/file` with a token does."""
    return await data.download(request)


def _valid_s(wanted: dict[str, Any]) -> int:
    if unknown := sorted(set(wanted) - {"expires_s"}):
        raise InvalidInput(f"unknown member {unknown[0][:32]!r}; use expires_s")
    given = wanted.get("expires_s", DEFAULT_S)
    if not isinstance(given, int) or isinstance(given, bool):
        raise InvalidInput(f"expires_s must be a number of seconds, not {str(given)[:32]!r}")
    return given
