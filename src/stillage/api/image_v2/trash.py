"""List, restore and purge deleted images. Glance has nothing like it: see docs/families.md."""

from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import family_documents as documents
from stillage.api.image_v2.images import view_of
from stillage.api.paging import following, limit_of, marker_of
from stillage.api.services import principal, services
from stillage.images.trash import Trashed
from stillage.times import to_seconds


async def list_trash(request: web.Request) -> web.Response:
    """GET /v2/trash: deleted images of the project that can be restored, the latest deletion first."""
    limit = limit_of(request)
    found = await services(request).trash.page(principal(request), limit, marker_of(request))
    answer: dict[str, Any] = {"trash": [_document(trashed) for trashed in found[:limit]]}
    if len(found) > limit:
        answer["next"] = following(request, found[limit - 1].image.id)
    return json_response(answer)


async def restore(request: web.Request) -> web.Response:
    """POST /v2/trash/{image_id}/restore: take a deleted image out of the trash, as it was."""
    image = await services(request).trash.restore(principal(request), request.match_info["image_id"])
    return json_response(await view_of(request, image))


async def purge(request: web.Request) -> web.Response:
    """DELETE /v2/trash/{image_id}: delete an image in the trash for good."""
    await services(request).trash.purge(principal(request), request.match_info["image_id"])
    return web.Response(status=204)


def _document(trashed: Trashed) -> documents.TrashedImage:
    image = trashed.image
    return {
        "id": image.id,
        "name": image.name,
        "owner": image.owner,
        "size": image.size,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "visibility": image.visibility,
        "tags": list(image.tags),
        "properties": dict(image.properties),
        "created_at": to_seconds(image.created_at),
        "deleted_at": to_seconds(trashed.deleted_at),
        "purge_at": to_seconds(trashed.purge_at),
    }
