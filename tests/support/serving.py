"""Serves an application in this process, as the real server does."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web, web_app

from stillage.api.http.connection import Runner
from stillage.api.http.listening import listen


@asynccontextmanager
async def serving(application: web.Application, *, prefix: str = "") -> AsyncIterator[str]:
    """Yield the URL of a running server, without a slash at its end."""
    runner = Runner(application, header_timeout_s=60, idle_timeout_s=60, prefix=prefix)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await listen(runner, [sock], None)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        await runner.cleanup()
        # aiohttp keeps the last thousand applications that had middlewares, and all that is theirs.
        web_app._cached_build_middleware.cache_clear()
