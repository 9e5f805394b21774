"""Middleware, from the outside in: log and count requests, translate errors, authenticate before a body is read."""

import logging
import random
import time
from http import HTTPStatus

import structlog
from aiohttp import web

from stillage import traces
from stillage.api import log_context
from stillage.api.dialects import KnownRoute, route_of
from stillage.api.gateway import errors as gateway
from stillage.api.gateway.signatures import forget_body
from stillage.api.http.answer import answer
from stillage.api.http.connection import require_small_head
from stillage.api.problems import PROTOCOL_WORDING, Wording, problem_of, response_of, unchanged
from stillage.api.services import REQUEST_ID, Handler, identity_url, note, services, shown_path
from stillage.errors import HeadTooLarge, RouteNotFound, StillageError, Unauthenticated
from stillage.ids import image_id_of

log = structlog.get_logger()

# The longest part of a client's own request id that is logged.
CLIENT_ID_LENGTH = 64
RANDOM_BITS, VERSION_4 = ~(0xF << 76 | 0x3 << 62), 4 << 76 | 2 << 62
"""Source: RFC 9562, "UUID Version 4": version and variant stand before and in the middle of random bits."""


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, count, time and log it, and make a stopping server wait for it."""
    request_id = request[REQUEST_ID] = new_request_id()
    log_context.begin(request_id=request_id)
    _normalise_image_id(request)
    begun = time.perf_counter()
    app_services = services(request)
    known = route_of(request)
    name, seen = f"{request.method} {known.pattern}", {"http.request.method": request.method}
    with app_services.running.request(request.method, request.path), traces.whole(name, request.headers, seen) as whole:
        response = await handler(request)
        if app_services.running.draining:
            response.force_close()
        response = await answer(request, response)
        _tell(request, known, response.status, time.perf_counter() - begun, whole)
        return response


def new_request_id() -> str:
    """Return a random UUID behind ``req-``, in half the time that `UUID` takes."""
    # Not a secret, so not from the operating system: that would release the interpreter lock on every request.
    digits = f"{random.getrandbits(128) & RANDOM_BITS | VERSION_4:032x}"
    return f"req-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _tell(request: web.Request, known: KnownRoute, status: int, seconds: float, whole: traces.Whole) -> None:
    """Count, trace and log a request that is over."""
    app_services, path = services(request), shown_path(request)
    app_services.status.rates.count()
    app_services.metrics.count(request.method, known.pattern, status, seconds)
    facts: traces.Facts = {
        "http.route": known.pattern,
        "http.response.status_code": status,
        "url.path": path,
        "stillage.request_id": request[REQUEST_ID],
    }
    whole.end_with(facts, failed=status >= HTTPStatus.INTERNAL_SERVER_ERROR)
    log.log(
        _level(known, status),
        "request",
        method=request.method,
        path=path,
        status=status,
        seconds=round(seconds, 4),
        peer=app_services.addresses.client(request),
        client_request_id=request.headers.get("X-Openstack-Request-Id", "")[:CLIENT_ID_LENGTH] or None,
    )


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into an answer, so that outer middleware sees no errors."""
    try:
        require_small_head(request)
        services(request).addresses.require_host(request)
        return await handler(request)
    except Exception as error:
        has_begun = request.writer.output_size > 0
        has_left = has_begun and isinstance(error, ConnectionError)
        if not (has_left or isinstance(error, StillageError | web.HTTPException)):
            log.error("internal error", exc_info=error)
        if has_begun:
            # The answer has begun: only closing the connection can tell the client that it is incomplete.
            log.warning("answer cut off", why=str(error) or type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from error
        if isinstance(error, Unauthenticated) and error.user_id is not None:
            note(request, target=error.user_id)
        return _refusal(request, error)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Authenticate the request by its dialect, before its handler runs or its body is read."""
    known = route_of(request)
    if known.dialect is None:
        raise RouteNotFound
    try:
        if not known.is_public:
            await known.dialect.authenticate(request)
        return await handler(request)
    finally:
        forget_body(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every answer, including streamed ones."""
    response.headers["X-Openstack-Request-Id"] = request.get(REQUEST_ID, "")
    response.headers["Server"] = "stillage"
    response.headers["X-Content-Type-Options"] = "nosniff"


def _level(known: KnownRoute, status: int) -> int:
    return logging.DEBUG if known.is_piece and status < HTTPStatus.BAD_REQUEST else logging.INFO


def _normalise_image_id(request: web.Request) -> None:
    """Normalise the letter case of an image id in the URL for everything inside."""
    if "image_id" in request.match_info:
        request.match_info["image_id"] = image_id_of(request.match_info["image_id"])


def _refusal(request: web.Request, raised: Exception) -> web.Response:
    problem = problem_of(raised, request_id=request[REQUEST_ID], identity_url=identity_url(request))
    log_context.add(code=problem.error.code)
    wording = _wording(request, problem.error)
    response = response_of(problem, wording, request.get(PROTOCOL_WORDING, unchanged))
    if isinstance(problem.error, HeadTooLarge):
        response.force_close()
    return response


def _wording(request: web.Request, error: StillageError) -> Wording:
    if type(error) in gateway.CODES:
        return gateway.WORDING
    dialect = route_of(request).dialect
    return services(request).profile.wording if dialect is None else dialect.wording
