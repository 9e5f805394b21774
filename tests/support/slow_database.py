"""Stands between an application and PostgreSQL, and makes it slow or unreachable."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import make_url

NAME = ".s.PGSQL.5432"


class SlowDatabase:
    """Attributes: `delay_s` before the next answer, once."""

    def __init__(self, upstream: Path) -> None:
        self.delay_s = 0.0
        self._is_down = False
        self._upstream = upstream
        self._open: set[asyncio.StreamWriter] = set()

    def go_down(self) -> None:
        """Break every connection, and refuse new ones."""
        self._is_down = True
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_down:
            writer.transport.abort()
            return
        answers, asking = await asyncio.open_unix_connection(str(self._upstream))
        both = {writer, asking}
        self._open |= both
        try:
            await asyncio.gather(self._relay(reader, asking), self._relay(answers, writer, self._delay))
        finally:
            self._open -= both

    async def _delay(self) -> None:
        delay_s, self.delay_s = self.delay_s, 0
        await asyncio.sleep(delay_s)

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        delay: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if delay is not None:
                    await delay()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def slow_database(url: str, folder: Path) -> AsyncIterator[tuple[SlowDatabase, str]]:
    """Yield what stands before the database *url*, and the URL that leads through it. *folder*: for the socket."""
    parts = make_url(url)
    before = SlowDatabase(Path(str(parts.query["host"])) / NAME)
    server = await asyncio.start_unix_server(before.serve, folder / NAME)
    try:
        yield before, parts.set(query={"host": str(folder)}).render_as_string(hide_password=False)
    finally:
        before.go_down()
        server.close()
