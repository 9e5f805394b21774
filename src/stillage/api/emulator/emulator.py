"""What an ephemeral server does with requests beside serving them: fail as it was asked to, and keep a record."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from stillage.api.credentials import TOKEN
from stillage.api.dialects import route_of
from stillage.api.emulator.clock import EmulatedClock
from stillage.api.emulator.cutting import cut_answer, cut_upload
from stillage.api.emulator.fault import Fault, fault_in
from stillage.api.emulator.faults import Faults
from stillage.api.emulator.records import MOST_JSON, Records, json_in
from stillage.api.http.body import BODY, Body, body_of, length_of
from stillage.api.problems import Problem, response_of, unchanged
from stillage.api.services import REQUEST_ID, Handler, services
from stillage.errors import BodyIncomplete, EmulatedFault, StillageError, Unauthenticated
from stillage.stores.emulated import FAULT, Hold, StoreFault

PREFIX = "/_emulator"
HEADER = "X-Emulator-Fault"
RECORD = web.RequestKey("record", dict[str, Any])
OWN_FAULT = web.RequestKey("fault", Fault)
AT_THE_PROXY = web.RequestKey("at_the_proxy", bool)
KNOWN = frozenset(HTTPStatus)
PAGE_413 = """\
<html>\r
<head><title>413 Request Entity Too Large</title></head>\r
<body>\r
<center><h1>413 Request Entity Too Large</h1></center>\r
<hr><center>nginx</center>\r
</body>\r
</html>\r
"""


class Emulator:
    """The faults, the record and the clock of one server, and the middleware that uses them.

    Attributes:
        admin_password: Opens the emulator's own API, beside an administrator's token.
    """

    def __init__(self, clock: EmulatedClock, admin_password: str) -> None:
        self.clock = clock
        self.admin_password = admin_password
        self.faults = Faults()
        self.records = Records()
        self._expired: set[bytes] = set()
        self._held: set[asyncio.Future[Any]] = set()

    def install(self, application: web.Application) -> None:
        """Put the middleware into *application*, whose own is there already."""
        observe, audit, translate_errors, *inner = application.middlewares
        application.middlewares[:] = [
            observe,
            self.record,
            audit,
            translate_errors,
            self.fail,
            *inner,
            self.watch_body,
        ]
        application.on_response_prepare.append(_mark)
        application.on_shutdown.append(self._end_held)

    @web.middleware
    async def record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_emulated(request):
            return await handler(request)
        record = request[RECORD] = self.records.add(request, self.clock())
        response = await handler(request)
        record["status"] = response.status
        return response

    @web.middleware
    async def fail(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Do to *request* what the rules and its header ask for."""
        if not _is_emulated(request):
            return await handler(request)
        own = fault_in(request.headers.get(HEADER, ""))
        fault, in_store = self.faults.of(request.method, request.path, own)
        request[RECORD]["fault"], request[OWN_FAULT] = fault.shown, fault
        await asyncio.sleep(fault.delay)
        self._require_token(request, fault)
        if fault.status is not None:
            return _answer(request, fault.status)
        if fault.proxy_limit is not None and (request.content_length or 0) > fault.proxy_limit:
            return _at_the_proxy(request)
        if fault.cut_answer_at is not None:
            cut_answer(request, fault.cut_answer_at)
        FAULT.set(in_store)
        try:
            return await self._handled(request, handler, in_store)
        except StillageError:
            if AT_THE_PROXY in request:
                return _at_the_proxy(request)
            raise

    @web.middleware
    async def watch_body(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the body and keep it if it is JSON, and let it break where the fault says. Innermost."""
        if RECORD in request:
            length, pieces = length_of(request), body_of(request, idle_s=services(request).idle_s)
            request[BODY] = Body(self._body(request, pieces), length)
        return await handler(request)

    def _require_token(self, request: web.Request, fault: Fault) -> None:
        token = request.headers.get(TOKEN)
        digest = None if token is None else hashlib.sha256(token.encode()).digest()
        if fault.expired_token and digest is not None:
            self._expired.add(digest)
        if fault.expired_token or digest in self._expired:
            raise Unauthenticated

    async def _handled(self, request: web.Request, handler: Handler, fault: StoreFault) -> web.StreamResponse:
        if fault.hold is None:
            return await handler(request)
        work = asyncio.ensure_future(handler(request))
        await _first(work, fault.hold)
        if work.done():
            return await work
        self._held.add(work)
        work.add_done_callback(self._forget)
        return web.Response(status=204)

    def _forget(self, work: "asyncio.Future[Any]") -> None:
        self._held.discard(work)
        if not work.cancelled():
            work.exception()  # such as that of an image that was deleted meanwhile; its client was answered

    async def _end_held(self, _application: web.Application) -> None:
        for work in (held := [*self._held]):
            work.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    async def _body(self, request: web.Request, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        fault, record, kept = request[OWN_FAULT], request[RECORD], bytearray()
        if fault.cut_upload_at is not None:
            pieces = cut_upload(request, pieces, fault.cut_upload_at)
        async for piece in pieces:
            record["body_bytes"] += len(piece)
            if fault.proxy_limit is not None and record["body_bytes"] > fault.proxy_limit:
                request[AT_THE_PROXY] = True
                raise BodyIncomplete("a proxy refused the rest of the body; allow larger bodies there")
            if len(kept) <= MOST_JSON:
                kept += piece[: MOST_JSON + 1]
            yield piece
        record["json"] = json_in(request.path, request.content_type, bytes(kept))


def _is_emulated(request: web.Request) -> bool:
    return request.path != PREFIX and not request.path.startswith(f"{PREFIX}/")


async def _first(work: "asyncio.Future[Any]", hold: Hold) -> None:
    """Wait until *work* is done, or *hold* keeps it from being so."""
    reached = asyncio.ensure_future(hold.reached.wait())
    try:
        await asyncio.wait({work, reached}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        work.cancel()
        raise
    finally:
        reached.cancel()


def _answer(request: web.Request, status: int) -> web.Response:
    """Answer with *status*, in the words of the API that was asked."""
    dialect = route_of(request).dialect
    wording = services(request).profile.wording if dialect is None else dialect.wording
    phrase = None if status in KNOWN else "Emulated Fault"
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    problem = Problem(EmulatedFault(status), request[REQUEST_ID], status, headers, phrase)
    response = response_of(problem, wording, unchanged)
    response.set_status(status, phrase)
    return response


def _at_the_proxy(request: web.Request) -> web.Response:
    request[AT_THE_PROXY] = True
    response = web.Response(status=413, text=PAGE_413, content_type="text/html")
    response.force_close()
    return response


async def _mark(request: web.Request, response: web.StreamResponse) -> None:
    """Name the proxy as the server of its own answer."""
    if AT_THE_PROXY in request:
        response.headers[hdrs.SERVER] = "nginx"
