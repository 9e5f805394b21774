"""One object in parts, several of which are on their way at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from stillage.errors import StillageError, StoreFailed, Unavailable
from stillage.stores.s3.client import MadePart, Missing
from stillage.stores.s3.transfers import Transfers

MakePart = Callable[[str, int], Awaitable[MadePart]]
"""Makes a part of the upload with this id and number."""


class Multipart:
    """The upload at the server begins with its first part. What fails is raised by every later call."""

    def __init__(self, transfers: Transfers, key: str, at_once: int) -> None:
        self._transfers = transfers
        self._key = key
        self._at_once = at_once
        self._beginning: asyncio.Task[str] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._made: dict[int, MadePart] = {}
        self._failure: BaseException | None = None

    @property
    def has_begun(self) -> bool:
        return self._beginning is not None

    @property
    def has_failed(self) -> bool:
        return self._failure is not None

    async def start(self, number: int, make: MakePart, at_end: Callable[[], None] = lambda: None) -> None:
        """Make part *number*, from 1 on, when it is its turn, and then do *at_end*, whatever has failed.

        Raises:
            StillageError: What an earlier part has failed with.
        """
        try:
            while len(self._running) >= self._at_once:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._require()
            upload_id = await self._begun()
        except BaseException:
            at_end()
            raise
        task = asyncio.get_running_loop().create_task(self._make(upload_id, number, make, at_end))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def complete(self, size: int) -> None:
        """Wait for all parts, and make the object of them, which has *size* bytes then."""
        await self._settle()
        self._require()
        made = [self._made[number] for number in sorted(self._made)]
        try:
            await self._complete(await self._begun(), made)
            stored = await self._transfers.call(self._transfers.client.head, self._key)
        except (StillageError, Missing) as failure:
            self._failure = failure
            self._require()
            raise
        if stored.size != size:
            raise StoreFailed(f"the store made {stored.size} bytes of {size}; send the file again")

    async def abort(self) -> None:
        """Drop the parts. Those that are being sent are waited for: one that arrives later would stay."""
        await self._settle()
        with suppress(StillageError):
            if self._beginning is not None:
                upload_id = await asyncio.shield(self._beginning)
                await self._transfers.call(self._transfers.client.abort, self._key, upload_id)

    async def _begun(self) -> str:
        if self._beginning is None:
            begin = self._transfers.call(self._transfers.client.begin_upload, self._key)
            self._beginning = asyncio.get_running_loop().create_task(begin)
        try:
            return await asyncio.shield(self._beginning)
        except StillageError as failure:
            self._failure = failure
            raise

    async def _complete(self, upload_id: str, made: Sequence[MadePart]) -> None:
        client = self._transfers.client
        try:
            await self._transfers.call(client.complete, self._key, upload_id, made)
        except (Missing, Unavailable):
            # Its answer may be lost. Then the object is there, and the upload is not: it cannot be completed again.
            if not await self._is_there():
                raise

    async def _is_there(self) -> bool:
        try:
            await self._transfers.call(self._transfers.client.head, self._key)
        except (Missing, StillageError):
            return False
        return True

    async def _make(self, upload_id: str, number: int, make: MakePart, at_end: Callable[[], None]) -> None:
        try:
            self._made[number] = await make(upload_id, number)
        except BaseException as failure:  # noqa: BLE001 - raised by the next call
            self._failure = self._failure or failure
        finally:
            at_end()

    def _require(self) -> None:
        if isinstance(self._failure, Missing):
            raise Unavailable("the store dropped an object that was being made; try again later") from None
        if self._failure is not None:
            raise self._failure

    async def _settle(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
