"""Which requests are changes, and what is told of each: one event, whatever came of it.

`CHANGES` is the whole list: a test holds it to the router. Events are made around the handlers, which only note the id
of what they have made.
"""

from collections.abc import Mapping

from aiohttp import hdrs, web

from stillage.api.services import CALLER, INITIATOR, NOTED, REQUEST_ID, Handler, services, shown_path
from stillage.audit.events import SERVICE, USER, Action, Change, Initiator

IMAGE = f"{SERVICE}/images/image"
KEY = "data/security/key"
APPLICATION_CREDENTIAL = "data/security/credential/application"

CHANGES: Mapping[str, Action] = {
    "POST /v2/images": Action("create", IMAGE),
    "PATCH /v2/images/{image_id}": Action("update", IMAGE),
    "DELETE /v2/images/{image_id}": Action("delete", IMAGE),
    "PUT /v2/images/{image_id}/file": Action("update/file", IMAGE),
    "POST /v2/images/{image_id}/uploads": Action("create/upload", IMAGE),
    "PUT /v2/images/{image_id}/uploads/{upload}": Action("update/file", IMAGE),
    "PATCH /v2/images/{image_id}/uploads/{upload}": Action("update/file", IMAGE),
    "POST /v2/images/{image_id}/uploads/{upload}": Action("update/file", IMAGE),
    "POST /v2/images/{image_id}/uploads/{upload}/proof": Action("update/file", IMAGE),
    "DELETE /v2/images/{image_id}/uploads/{upload}": Action("delete/upload", IMAGE),
    "POST /v2/images/{image_id}/actions/deactivate": Action("disable", IMAGE),
    "POST /v2/images/{image_id}/actions/reactivate": Action("enable", IMAGE),
    "POST /v2/images/{image_id}/members": Action("create/member", IMAGE),
    "PUT /v2/images/{image_id}/members/{member_id}": Action("update/member", IMAGE),
    "DELETE /v2/images/{image_id}/members/{member_id}": Action("delete/member", IMAGE),
    "PUT /v2/images/{image_id}/tags/{tag}": Action("create/tag", IMAGE),
    "DELETE /v2/images/{image_id}/tags/{tag}": Action("delete/tag", IMAGE),
    "POST /v3/auth/tokens": Action("authenticate", USER),
    "DELETE /v3/auth/tokens": Action("revoke", "data/security/token"),
    "POST /v3/users/{user_id}/application_credentials": Action("create", APPLICATION_CREDENTIAL),
    "DELETE /v3/users/{user_id}/application_credentials/{credential_id}": Action("delete", APPLICATION_CREDENTIAL),
    "POST /v3.0/OS-CREDENTIAL/credentials": Action("create", KEY),
    "PUT /v3.0/OS-CREDENTIAL/credentials/{access}": Action("update", KEY),
    "DELETE /v3.0/OS-CREDENTIAL/credentials/{access}": Action("delete", KEY),
    "POST /v3.0/OS-CREDENTIAL/securitytokens": Action("create", f"{KEY}/temporary"),
}
# Routes with a method that could change something, and do not.
NO_CHANGES = frozenset({"POST /v2/images/inspect"})

TARGETS = ("image_id", "credential_id", "access")
PARTS = {"member_id": "member", "tag": "tag", "user_id": "user"}


@web.middleware
async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record what the request did, or was to do, before it is answered."""
    action = CHANGES.get(_name(request))
    if action is None:
        return await handler(request)
    status = None
    try:
        response = await handler(request)
        status = response.status
    finally:
        await services(request).trail.record(_change(request, action, status))
    return response


def _name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical.removeprefix('/identity')}" if resource is not None else ""


def _change(request: web.Request, action: Action, status: int | None) -> Change:
    found = request.match_info
    noted = dict(request.get(NOTED, {}))
    made = noted.pop("target", None)
    return Change(
        action=action,
        initiator=_initiator(request),
        target_id=made or next((found[name] for name in TARGETS if name in found), None),
        parts={PARTS[name]: part for name, part in found.items() if name in PARTS} | noted,
        status=status,
        path=shown_path(request),
        request_id=request[REQUEST_ID],
        address=services(request).addresses.client(request),
        agent=request.headers.get(hdrs.USER_AGENT),
    )


def _initiator(request: web.Request) -> Initiator:
    caller = request.get(CALLER)
    if caller is None:
        return request.get(INITIATOR) or Initiator()
    return Initiator(
        caller.user_id, caller.user_name, caller.project_id, caller.authenticated_by, vouched_by=caller.vouched_by
    )
