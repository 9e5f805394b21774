"""Reads a stream of events over HTTP, as a browser does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession

WITHIN_S = 60


class EventStream:
    """One open stream.

    Attributes:
        last_id: What a browser would send as Last-Event-ID.
    """

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.last_id = ""

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event and its data."""
        name = ""
        async with asyncio.timeout(WITHIN_S):
            while line := (await self.response.content.readline()).decode():
                field, _, value = line.rstrip("\n").partition(": ")
                if field == "id":
                    self.last_id = value
                elif field == "event":
                    name = value
                elif field == "data":
                    return name, json.loads(value)
        raise EOFError

    async def until(self, kind: str, /, **values: Any) -> dict[str, Any]:
        """Return the first event of this kind with these members."""
        while True:
            got, data = await self.next()
            if got == kind and all(data.get(member) == value for member, value in values.items()):
                return data

    async def position(self) -> str:
        """Return the id after the events that were read."""
        before = self.last_id
        async with asyncio.timeout(WITHIN_S):
            while self.last_id == before and (line := (await self.response.content.readline()).decode()):
                if line.startswith("id: "):
                    self.last_id = line[4:].strip()
        return self.last_id

    async def ended(self) -> bool:
        """Return True when the server has ended it."""
        async with asyncio.timeout(WITHIN_S):
            while await self.response.content.readline():
                pass
        return True


@asynccontextmanager
async def event_stream(session: ClientSession, url: str, **headers: str) -> AsyncIterator[EventStream]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.get(f"{url}/v2/events", headers=sent) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        stream = EventStream(response)
        await stream.position()  # from here on everything is told
        yield stream
