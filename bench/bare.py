"""A bare aiohttp that answers every request with the same bytes: ``python -m bench.bare STATUS FILE``. Prints its port.

What a framework costs without checks, database or log, on one worker, as Stillage's requests are compared with it.
"""

import asyncio
import socket
import sys
from pathlib import Path

import uvloop
from aiohttp import web

HOST = "127.0.0.1"


async def serve(status: int, content: bytes) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status, body=content or None, content_type="application/json")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listening = socket.create_server((HOST, 0))
    await web.SockSite(runner, listening).start()
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
