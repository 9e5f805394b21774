"""What happens around every request, from the outside in: observed, errors translated, caller known."""

import random
import time
from uuid import UUID

import structlog
from aiohttp import hdrs, web

from stillage.api.errors import DIALECT, GATEWAY_CODES, Shape, as_gateway, as_keystone, phrase_of, problem_of
from stillage.api.services import CALLER, REQUEST_ID, Handler, identity_url, note, services, shown_path
from stillage.api.signatures import find_signatures, forget_body, signer_of
from stillage.api.wire import answer, require_small_head
from stillage.errors import StillageError, Unauthenticated
from stillage.images.access import Caller

log = structlog.get_logger()

IDENTITY_PATHS = ("/identity", "/v3")
TOKEN = "X-Auth-Token"  # noqa: S105 - the header's name
SERVICE_TOKEN = "X-Service-Token"  # noqa: S105
UNAUTHENTICATED = "The request you have made requires authentication."
# A client's own id is worth a line in the log, and no more of it than this.
CLIENT_ID_LENGTH = 64


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, count it, time it, log it, and let a stopping server wait for it."""
    # No secret, so not from the operating system: asking it lets go of the interpreter for every request.
    request_id = request[REQUEST_ID] = f"req-{UUID(int=random.getrandbits(128), version=4)}"
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    begun = time.perf_counter()
    known = services(request)
    with known.running:
        response = await handler(request)
        if known.running.draining:
            response.force_close()
        response = await answer(request, response)
        seconds = time.perf_counter() - begun
        route = _route(request)
        known.metrics.requests.labels(request.method, route, response.status).inc()
        known.metrics.durations.labels(request.method, route).observe(seconds)
        log.info(
            "request",
            method=request.method,
            path=shown_path(request),
            status=response.status,
            seconds=round(seconds, 4),
            peer=known.addresses.client(request),
            client_request_id=request.headers.get("X-Openstack-Request-Id", "")[:CLIENT_ID_LENGTH] or None,
        )
        return response


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where errors become answers. Nothing above it sees one."""
    try:
        require_small_head(request)
        return await handler(request)
    except Exception as error:
        has_begun = request.writer.output_size > 0
        has_left = has_begun and isinstance(error, ConnectionError)
        if not (has_left or isinstance(error, StillageError | web.HTTPException)):
            log.error("internal error", exc_info=error)
        if has_begun:
            # The answer has begun; the only way to say that it is not whole is to cut it off.
            log.warning("answer cut off", why=str(error) or type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from error
        if isinstance(error, Unauthenticated) and error.user_id is not None:
            note(request, target=error.user_id)
        return _error_response(request, error)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Know the caller of every image call before its route is even looked at, and long before its body is."""
    if "." in request.match_info.get("upload", ""):
        return await handler(request)  # such an address is a right by itself; whoever looks it up judges it
    try:
        if request.path.startswith("/v2/") and request.path not in ("/v2/", "/v2/versions"):
            known = request[CALLER] = await _caller(request)
            structlog.contextvars.bind_contextvars(user_id=known.user_id, project_id=known.project_id)
        return await handler(request)
    finally:
        forget_body(request)


async def _caller(request: web.Request) -> Caller:
    """Where there is a signature and a token, the signature decides."""
    if (signatures := find_signatures(request)) is not None:
        return (await signer_of(request, signatures)).as_caller()
    token, service_token = _only(request, TOKEN), _only(request, SERVICE_TOKEN)
    if not token and services(request).embedded is None and hdrs.AUTHORIZATION in request.headers:
        raise Unauthenticated(f"only tokens are known here, not signatures; log in at {identity_url(request)}")
    if not token:
        raise Unauthenticated(UNAUTHENTICATED)
    return await services(request).identity.caller_of(token, service_token=service_token)


def _only(request: web.Request, name: str) -> str | None:
    """Return the value of a header; Unauthenticated if it is there with two: which one a proxy believed is unknown."""
    values = set(request.headers.getall(name, ()))
    if len(values) > 1:
        raise Unauthenticated(UNAUTHENTICATED)
    return next(iter(values), None)


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, also one that a handler sends piece by piece. The identity API's differ by who asks."""
    response.headers["X-Openstack-Request-Id"] = request.get(REQUEST_ID, "")
    response.headers["Server"] = "stillage"
    if request.path.startswith(IDENTITY_PATHS):
        response.headers["Vary"] = TOKEN


def _error_response(request: web.Request, error: Exception) -> web.Response:
    shape: Shape
    problem = problem_of(error, identity_url=identity_url(request))
    headers = dict(problem.headers)
    if problem.kind in GATEWAY_CODES:
        shape = as_gateway
        headers["X-Request-Id"] = request[REQUEST_ID]  # what the vendor's SDKs show
    elif request.path.startswith(IDENTITY_PATHS):
        shape = as_keystone
    else:
        profile = services(request).profile
        problem, shape = profile.problem(problem), profile.shape
    problem = request.get(DIALECT, lambda told: told)(problem)
    response = web.json_response(
        {**problem.members, **shape(problem, request[REQUEST_ID])},
        status=problem.status,
        reason=phrase_of(problem.status),
        headers={**headers, **problem.headers},
        content_type=problem.media_type,
    )
    if problem.kind is web.HTTPRequestHeaderFieldsTooLarge:
        response.force_close()
    return response


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
