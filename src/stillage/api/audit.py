"""Record an audit event for each request that changes something, whether it succeeds or fails.

Each dialect lists its routes that do (`changes`), and a test checks the lists against the router. Events are recorded
around the handlers, which only note the id of what they created.
"""

from aiohttp import hdrs, web

from stillage.api.dialects import route_of
from stillage.api.services import NOTED, PRINCIPAL, REQUEST_ID, Handler, services, shown_path
from stillage.audit.events import Action, Change

TARGETS = ("image_id", "credential_id", "access", "namespace")
PARTS = {"member_id": "member", "tag": "tag", "user_id": "user", "name": "name", "family": "family"}


@web.middleware
async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record what the request did or attempted, before the response is sent."""
    action = route_of(request).action
    if action is None:
        return await handler(request)
    status = None
    try:
        response = await handler(request)
        status = response.status
    finally:
        await services(request).trail.record(_change(request, action, status))
    return response


def _change(request: web.Request, action: Action, status: int | None) -> Change:
    url_parts = request.match_info
    noted = dict(request.get(NOTED, {}))
    made = noted.pop("target", None)
    return Change(
        action=action,
        principal=request.get(PRINCIPAL),
        target_id=made or next((url_parts[name] for name in TARGETS if name in url_parts), None),
        parts={PARTS[name]: part for name, part in url_parts.items() if name in PARTS} | noted,
        status=status,
        path=shown_path(request),
        request_id=request[REQUEST_ID],
        address=services(request).addresses.client(request),
        agent=request.headers.get(hdrs.USER_AGENT),
    )
