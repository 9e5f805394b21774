"""How long the event loop of a server stands still, in CPU time of its thread. Run as a script it is that server.

``python loop_probe.py SOCKET serve …`` is `stillage` with a probe on its loop; `probed_server` is the test's side.
CPU time, and not the wall's: on a busy machine a thread that waits for its turn has not stopped for anybody's input.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stillage import app
from stillage.cli import main

TICK_S = 0.001
"""How often the probe looks. What runs between two looks is one callback, or several short ones."""


class LoopProbe:
    """Ticks on the running loop, and keeps the most CPU time that its thread has used between two ticks."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._longest_s = 0.0
        self._used_s = time.thread_time()
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        used_s = time.thread_time()
        self._longest_s = max(self._longest_s, used_s - self._used_s)
        self._used_s = used_s
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def take(self) -> float:
        """Return the longest stop since the last call, in CPU seconds."""
        self._tick_now()
        longest_s, self._longest_s = self._longest_s, 0.0
        return longest_s

    def _tick_now(self) -> None:
        self._timer.cancel()
        self._tick()

    def close(self) -> None:
        self._timer.cancel()


@asynccontextmanager
async def answering(probe: LoopProbe, path: str) -> AsyncIterator[None]:
    """Tell everybody who connects to the socket at *path* what `LoopProbe.take` returns."""

    async def tell(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(probe.take()).encode())
        writer.close()

    async with await asyncio.start_unix_server(tell, path):
        yield


def run() -> None:
    path = sys.argv.pop(1)
    serve = app.serve

    async def probed(*args: Any, **kwargs: Any) -> None:
        probe = LoopProbe()
        try:
            async with answering(probe, path):
                await serve(*args, **kwargs)
        finally:
            probe.close()

    app.serve = probed
    sys.argv[0] = "stillage"
    main.run()


if __name__ == "__main__":
    run()
