"""Read a file from the web to its end: resume it where the connection breaks, with several connections if it is large.

What is resumed must be the same version of the file: ``If-Range`` says so to the server, and its answer is checked. A
server that takes no ranges sends the file again from the beginning, and what was read already is skipped.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

import structlog
from aiohttp import ClientError, ServerDisconnectedError, StreamReader
from aiohttp.http import HttpProcessingError

from stillage.errors import SourceChanged, SourceLengthMismatch, SourceRefused, SourceUnavailable
from stillage.outgoing.destinations import shown
from stillage.outgoing.fetch import Answer, Fetcher, require_file
from stillage.outgoing.representation import Representation, file_name, is_replaced, is_same, part_of, representation_of

log = structlog.get_logger()

SLOW_S = 60.0
PROGRESS = 64 << 10
"""What an attempt must bring to count as progress, so that a source cannot send a byte per connection for years."""
GONE = frozenset({401, 403, 404, 410})


@dataclass(frozen=True, slots=True)
class Retries:
    """How much trouble of a source is put up with.

    Attributes:
        tries: Attempts in a row without progress.
        pause_s: After the first of them; it doubles each time.
        longest_pause_s: What it grows to.
        least_bytes_per_s: A source that is slower for a minute counts as silent.
    """

    tries: int = 8
    pause_s: float = 0.5
    longest_pause_s: float = 30.0
    least_bytes_per_s: float = 1024.0

    def pause(self, tries: int) -> float:
        """Return how long to wait after *tries* attempts in a row."""
        return min(self.pause_s * 2.0 ** (tries - 1), self.longest_pause_s)


@dataclass(frozen=True, slots=True)
class Splitting:
    """When to use several connections.

    Attributes:
        connections: How many; each holds a piece until its turn comes.
        piece: Bytes of a piece.
        least: Of smaller files one connection is as fast as several.
    """

    connections: int = 1
    piece: int = 4 << 20
    least: int = 64 << 20


@dataclass(frozen=True, slots=True)
class _Body:
    """An answer to read.

    Attributes:
        skip: How many of its bytes are known already.
        length: How many bytes it has, as it says.
        total: How many the file has.
    """

    answer: Answer
    skip: int
    length: int | None
    total: int | None


class Transfer:
    """One file, whose first answer is there.

    Attributes:
        seen: What that answer said of it.
        received: Bytes that arrived so far, as they are sent.
    """

    def __init__(
        self, fetcher: Fetcher, answer: Answer, retries: Retries, splitting: Splitting, *, is_immutable: bool = False
    ) -> None:
        """Take over *answer*, to a request for the whole file.

        Args:
            fetcher: Asks for the rest.
            answer: Closed by whoever has opened it.
            retries: How much trouble is put up with.
            splitting: When to use several connections.
            is_immutable: There is only one version of the file, ever.
        """
        self._fetcher = fetcher
        self._asked = answer.asked
        self._shown = shown(answer.asked)
        self._sent = answer.sent
        self._url = answer.url
        self._retries = retries
        self._splitting = splitting
        self.seen: Representation = representation_of(answer.headers, file_name(answer.url))
        self.received = 0
        self._can_resume = (is_immutable or self.seen.validator is not None) and self.seen.coding is None
        self._is_split = (
            splitting.connections > 1
            and self._can_resume
            and self.seen.ranges
            and (self.seen.length or 0) >= splitting.least
        )
        self._first: _Body | None = _Body(answer, 0, self.seen.length, self.seen.length)

    async def blocks(self) -> AsyncGenerator[bytes]:
        """Yield the bytes in order.

        Raises:
            SourceUnavailable: If the source breaks and cannot be resumed, or not in `Retries.tries`.
            SourceChanged: If it is another file by now.
            SourceLengthMismatch: If it has more bytes than it declared, or fewer.
            SourceForbidden, SourceRefused: As `Fetcher.ask`.
        """
        blocks = self._side_by_side() if self._is_split else self._stretch(0, self.seen.length)
        async with aclosing(blocks):
            async for block in blocks:
                self.received += len(block)
                yield block

    def fraction(self) -> float | None:
        """Return how much was read, from 0 to 1; None if nobody says how much there is."""
        declared = self.seen.length
        return self.received / declared if declared else None

    async def _side_by_side(self) -> AsyncGenerator[bytes]:
        running: deque[asyncio.Task[list[bytes]]] = deque()
        length, piece = self.seen.length or 0, self._splitting.piece
        try:
            for start in range(0, length, piece):
                running.append(asyncio.create_task(self._piece(start, min(start + piece, length))))
                if len(running) == self._splitting.connections:
                    for block in await running.popleft():
                        yield block
            while running:
                for block in await running.popleft():
                    yield block
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _piece(self, start: int, end: int) -> list[bytes]:
        async with aclosing(self._stretch(start, end)) as blocks:
            return [block async for block in blocks]

    async def _stretch(self, start: int, end: int | None) -> AsyncGenerator[bytes]:
        """Yield the bytes from *start* to *end*, None for the end of the file."""
        at, tries, at_last_try = start, 0, start
        body = self._take_first() if start == 0 else None
        while True:
            failure = None
            try:
                body = body or await self._resume(at, end)
                end = body.total if end is None else end
                async with aclosing(self._read(body)) as blocks:
                    async for block in blocks:
                        rest = block if end is None else block[: end - at]
                        at += len(rest)
                        yield rest
                        if at == end and self._is_split:
                            return
                if end is None or at == end:
                    return
            except SourceUnavailable as error:
                failure = error
            body = None
            tries = 1 if at - at_last_try >= PROGRESS else tries + 1
            at_last_try = at
            await self._pause(tries, at, failure)

    def _take_first(self) -> _Body | None:
        first, self._first = self._first, None
        return first

    async def _pause(self, tries: int, at: int, failure: SourceUnavailable | None) -> None:
        """Wait before the next attempt.

        Raises:
            SourceUnavailable, SourceLengthMismatch: If there is none.
        """
        if self._can_resume and tries <= self._retries.tries:
            log.info("source broke off", source=self._shown, at=at, tries=tries, why=failure and failure.why)
            await asyncio.sleep(self._retries.pause(tries))
            return
        if failure is None:
            raise SourceLengthMismatch(self._shown, self.seen.length or 0, at)
        why = f"{failure.why} after {at} bytes"
        raise SourceUnavailable(self._shown, why if self._can_resume else f"{why}, and it cannot be resumed")

    async def _resume(self, at: int, end: int | None) -> _Body:
        """Ask for what is left, up to *end*."""
        last = "" if end in (None, self.seen.length) else end - 1
        condition = {"If-Range": self.seen.validator} if self.seen.validator else {}
        answer = await self._again({**self._sent, "Range": f"bytes={at}-{last}", **condition})
        try:
            return self._continued(answer, at, end)
        except BaseException:
            answer.close()
            raise

    async def _again(self, headers: Mapping[str, str]) -> Answer:
        answer = await self._fetcher.ask(self._url, headers)
        if answer.status not in GONE or self._url == self._asked:
            return answer
        answer.close()  # where a redirect leads is often good for minutes only
        answer = await self._fetcher.ask(self._asked, headers)
        self._url = answer.url
        return answer

    def _continued(self, answer: Answer, at: int, end: int | None) -> _Body:
        if answer.status == 200:
            return self._from_the_beginning(answer, at)
        if is_replaced(answer.status, answer.headers):
            raise SourceChanged(self._shown, at)
        require_file(answer, 206)
        part = part_of(answer.headers)
        if part is None or part.start != at or (end is not None and part.end > end):
            raise SourceRefused(self._shown, "it answered with another range than the one that was asked for")
        if end is None and part.total is None:
            raise SourceRefused(self._shown, "it does not say how long the file is")
        if not is_same(answer.headers, self.seen, part.total):
            raise SourceChanged(self._shown, at)
        return _Body(answer, 0, part.end - part.start, part.total)

    def _from_the_beginning(self, answer: Answer, at: int) -> _Body:
        again = representation_of(answer.headers, file_name(answer.url))
        if (again.validator, again.length, again.coding) != (self.seen.validator, self.seen.length, None):
            raise SourceChanged(self._shown, at)
        if self._is_split:
            raise SourceRefused(self._shown, "it says that it takes ranges, and does not")
        return _Body(answer, at, again.length, again.length)

    async def _read(self, body: _Body) -> AsyncGenerator[bytes]:
        """Yield what is new in *body*; it may end early.

        Raises:
            SourceUnavailable: If the connection breaks, or is silent.
            SourceLengthMismatch: If it has more bytes than it says.
        """
        response = body.answer.response
        protocol = response.connection.protocol if response.connection else None
        count, rate = 0, MinimumRate(self._retries.least_bytes_per_s)
        try:
            while block := await next_of(response.content):
                rate.count(len(block))
                new = block[max(0, body.skip - count) :]
                count += len(block)
                if body.length is not None and count > body.length:
                    raise SourceLengthMismatch(self._shown, body.length, None)
                if new:
                    yield new
        except TimeoutError as error:
            raise SourceUnavailable(self._shown, f"it was silent for {self._fetcher.timeout_s:g} seconds") from error
        except (ClientError, OSError) as error:
            is_closed = protocol is not None and isinstance(protocol.exception(), ServerDisconnectedError)
            if is_closed and body.length is not None:
                return  # the server is of the opinion that this was all
            raise SourceUnavailable(self._shown, "the answer broke off") from error
        finally:
            body.answer.close()
        # aiohttp takes bytes after the declared ones for the beginning of another answer, which they are not.
        if protocol is not None and isinstance(protocol.exception(), HttpProcessingError):
            raise SourceLengthMismatch(self._shown, count, None)


async def next_of(content: StreamReader) -> bytes:
    """Return what arrived, also if the connection broke meanwhile; empty at the end.

    Blocks are not joined here: for those who read, a MiB at once is slower than the pieces that it came in.
    """
    block = b""
    try:
        while not block and not content.at_eof():
            block, _ = await content.readchunk()
    except (ClientError, OSError):
        block = content._read_nowait(-1)  # noqa: SLF001 - nothing public returns what arrived before an error
        if not block:
            raise
    return block


class MinimumRate:
    """Raises TimeoutError where bytes arrive too slowly."""

    def __init__(self, least_per_s: float) -> None:
        self._least = least_per_s * SLOW_S
        self._since = monotonic()
        self._bytes = 0

    def count(self, size: int) -> None:
        self._bytes += size
        now = monotonic()
        if now - self._since < SLOW_S:
            return
        if self._bytes < self._least:
            raise TimeoutError
        self._since, self._bytes = now, 0
