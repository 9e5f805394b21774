"""IMS as a dialect: its paths beside those of the image API, in both profiles."""

from collections.abc import Mapping

from aiohttp import web

from stillage.api import log_context
from stillage.api.credentials import principal_of
from stillage.api.dialects import Dialect
from stillage.api.ims.description import DESCRIPTION
from stillage.api.ims.errors import WORDING
from stillage.api.ims.routes import add_routes
from stillage.api.services import PRINCIPAL
from stillage.audit.events import SERVICE, Action

IMAGE = f"{SERVICE}/images/image"

CREATIONS = (
    "/v2/cloudimages/action",
    "/v2/cloudimages/quickimport/action",
    "/v2.1/cloudimages/action",
    "/v2.1/cloudimages/quickimport/action",
    "/v2.1/cloudimages/dataimages/action",
    "/v1/cloudimages/action",
    "/v1/cloudimages/dataimages/action",
    "/v1/cloudimages/wholeimages/action",
)

CHANGES: Mapping[str, Action] = {
    "PATCH /v2/cloudimages/{image_id}": Action("update", IMAGE),
    **{f"POST {path}": Action("create", IMAGE) for path in CREATIONS},
    "PUT /v1/cloudimages/{image_id}/upload": Action("update", IMAGE),
    "POST /v1/cloudimages/{image_id}/copy": Action("create", IMAGE),
    "POST /v2.1/cloudimages/{image_id}/copy": Action("create", IMAGE),
    "POST /v1/cloudimages/{image_id}/file": Action("read/export", IMAGE),
    "POST /v2.1/cloudimages/{image_id}/file": Action("read/export", IMAGE),
    "POST /v1/cloudimages/{image_id}/cross_region_copy": Action("create", IMAGE),
    "POST /v1/cloudimages/members": Action("create/member", IMAGE),
    "PUT /v1/cloudimages/members": Action("update/member", IMAGE),
    "DELETE /v1/cloudimages/members": Action("delete/member", IMAGE),
    "PUT /v1/cloudimages/tags": Action("create/tag", IMAGE),
    "POST /v2/{project_id}/images/{image_id}/tags": Action("create/tag", IMAGE),
    "POST /v2/{project_id}/images/{image_id}/tags/action": Action("update/tag", IMAGE),
    "DELETE /v2/{project_id}/images/{image_id}/tags/{key}": Action("delete/tag", IMAGE),
    "DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete": Action("delete/tag", IMAGE),
}


async def authenticate(request: web.Request) -> None:
    principal = request[PRINCIPAL] = await principal_of(request)
    log_context.add(user_id=principal.user_id, project_id=principal.project_id)


# Before the image API among the dialects: its prefix /v2 has some of these paths below it.
IMS = Dialect(
    prefixes=("/v2/cloudimages", "/v2.1/cloudimages", "/v1/cloudimages", "/v2/{project_id}", "/v1/{project_id}"),
    add_routes=add_routes,
    authenticate=authenticate,
    public=frozenset(),
    wording=WORDING,
    changes=CHANGES,
    description=DESCRIPTION,
)
