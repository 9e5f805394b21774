"""Breaks connections in the middle of a body: of a request's, or of an answer's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.http_writer import StreamWriter

from stillage.errors import BodyIncomplete

CUT = "the emulator cut the connection; send the file again"


def cut_answer(request: web.Request, at: int) -> None:
    """Let the connection of *request* break after *at* bytes of the answer's body. Shorter ones stay whole."""
    request._payload_writer = _CutWriter(request, at)  # noqa: SLF001 - there is no other way into every answer


async def cut_upload(request: web.Request, pieces: AsyncIterator[bytes], at: int) -> AsyncIterator[bytes]:
    """Yield *at* bytes of *pieces*, the body of *request*, and then break its connection."""
    async for piece in pieces:
        if len(piece) > at:
            if at:
                yield piece[:at]
            if request.transport is not None:
                request.transport.abort()
            raise BodyIncomplete(CUT)
        at -= len(piece)
        yield piece


class _CutWriter(StreamWriter):
    """Writes *left* bytes of a body, and then closes the connection."""

    def __init__(self, request: web.Request, left: int) -> None:
        super().__init__(request.protocol, asyncio.get_running_loop())
        self._left = left

    async def write(self, chunk: Any, *, drain: bool = True, LIMIT: int = 0x10000) -> None:  # noqa: N803 - aiohttp's
        if len(chunk) > self._left:
            await self._cut(chunk)
        self._left -= len(chunk)
        await super().write(chunk, drain=drain, LIMIT=LIMIT)

    async def write_eof(self, chunk: bytes = b"") -> None:
        if len(chunk) > self._left:
            await self._cut(chunk)
        await super().write_eof(chunk)

    async def _cut(self, chunk: Any) -> NoReturn:
        transport = self.transport
        if transport is not None:
            transport.set_write_buffer_limits(high=0)  # then `drain` waits until everything is sent
        await super().write(chunk[: self._left])
        await self.drain()
        if transport is not None:
            transport.close()
        raise ConnectionResetError(CUT)
