"""The image API as a dialect: how it authenticates, which routes are public, which change something."""

from collections.abc import Mapping

from aiohttp import web

from stillage.api import log_context
from stillage.api.credentials import principal_of
from stillage.api.dialects import Dialect, route_of
from stillage.api.image_v2.description import DESCRIPTION
from stillage.api.image_v2.links import USE
from stillage.api.image_v2.metadefs.description import CHANGES as METADEF_CHANGES
from stillage.api.image_v2.routes import add_routes
from stillage.api.image_v2.uploads.routes import BY_CAPABILITY, PIECES
from stillage.api.problems import Wording
from stillage.api.services import PRINCIPAL, services
from stillage.audit.events import IMAGE, PROJECT, Action
from stillage.operations.links import PREFIX

# QEMU and other programs that read a disk over HTTP can send a password, and no header of ours.
TAKES_PASSWORD = frozenset({"GET /v2/images/{image_id}/disk", "GET /v2/images/{image_id}/file"})

CHANGES: Mapping[str, Action] = {
    "POST /v2/images": Action("create", IMAGE),
    "PATCH /v2/images/{image_id}": Action("update", IMAGE),
    "DELETE /v2/images/{image_id}": Action("delete", IMAGE),
    "DELETE /v2/stores/{store}/{image_id}": Action("delete/copy", IMAGE),
    "PUT /v2/images/{image_id}/file": Action("update/file", IMAGE),
    "PUT /v2/images/{image_id}/stage": Action("update/stage", IMAGE),
    "POST /v2/images/{image_id}/import": Action("create/import", IMAGE),
    "POST /v2/images/{image_id}/uploads": Action("create/upload", IMAGE),
    "PUT /v2/images/{image_id}/uploads/{upload}": Action("update/file", IMAGE),
    "PATCH /v2/images/{image_id}/uploads/{upload}": Action("update/file", IMAGE),
    "POST /v2/images/{image_id}/uploads/{upload}": Action("update/file", IMAGE),
    "POST /v2/images/{image_id}/uploads/{upload}/proof": Action("update/file", IMAGE),
    "POST /v2/images/{image_id}/uploads/{upload}/have": Action("update/file", IMAGE),
    "DELETE /v2/images/{image_id}/uploads/{upload}": Action("delete/upload", IMAGE),
    "POST /v2/images/{image_id}/actions/deactivate": Action("disable", IMAGE),
    "POST /v2/images/{image_id}/actions/reactivate": Action("enable", IMAGE),
    "POST /v2/images/{image_id}/actions/deprecate": Action("update/deprecate", IMAGE),
    "POST /v2/images/{image_id}/actions/obsolete": Action("disable/obsolete", IMAGE),
    "POST /v2/trash/{image_id}/restore": Action("restore", IMAGE),
    "DELETE /v2/trash/{image_id}": Action("delete/purge", IMAGE),
    "PUT /v2/retention/{family}": Action("update/retention", PROJECT),
    "DELETE /v2/retention/{family}": Action("delete/retention", PROJECT),
    "POST /v2/images/{image_id}/members": Action("create/member", IMAGE),
    "PUT /v2/images/{image_id}/members/{member_id}": Action("update/member", IMAGE),
    "DELETE /v2/images/{image_id}/members/{member_id}": Action("delete/member", IMAGE),
    "PUT /v2/images/{image_id}/tags/{tag}": Action("create/tag", IMAGE),
    "DELETE /v2/images/{image_id}/tags/{tag}": Action("delete/tag", IMAGE),
    "PUT /v2/cache/{image_id}": Action("create/cached", IMAGE),
    "DELETE /v2/cache/{image_id}": Action("delete/cached", IMAGE),
    "DELETE /v2/cache": Action("delete/cached", IMAGE),
    "PUT /v2/quotas/{project_id}": Action("update/quota", PROJECT),
    "DELETE /v2/quotas/{project_id}": Action("delete/quota", PROJECT),
    "POST /v2/images/{image_id}/links": Action("create/link", IMAGE),
    "POST /v2/images/{image_id}/locations": Action("update/file", IMAGE),
    **METADEF_CHANGES,
}


async def authenticate(request: web.Request) -> None:
    """Authenticate a request to the image API.

    The URL of an upload may contain a capability, which needs no token. The routes in `BY_CAPABILITY` verify it when
    they look up the upload.
    """
    route = route_of(request).name
    if route in BY_CAPABILITY and "." in request.match_info["upload"]:
        return
    if route == USE and request.match_info["link"].startswith(PREFIX):
        opened = services(request).links.open(request.match_info["image_id"], request.match_info["link"])
        request[PRINCIPAL] = await opened
        return
    principal = request[PRINCIPAL] = await principal_of(request, takes_password=route in TAKES_PASSWORD)
    log_context.add(user_id=principal.user_id, project_id=principal.project_id)


def dialect(wording: Wording) -> Dialect:
    """*wording*: the profile's."""
    return Dialect(
        prefixes=("/v2",),
        add_routes=add_routes,
        authenticate=authenticate,
        public=frozenset({"GET /v2", "GET /v2/", "GET /v2/versions"}),
        wording=wording,
        changes=CHANGES,
        description=DESCRIPTION,
        pieces=PIECES,
    )
