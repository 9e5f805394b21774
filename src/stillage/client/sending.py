"""Sends pieces over several connections until the server has everything and has verified it."""

import asyncio
from collections import deque
from collections.abc import Sequence

from stillage.client.errors import ServerRefused
from stillage.client.http import Answer, Broken
from stillage.client.images import GONE, Images
from stillage.client.phases import WAITING, Phases
from stillage.client.pieces import Piece, plan
from stillage.client.progress import Progress
from stillage.client.retry import Failure, Outage, Retry
from stillage.client.source import Source
from stillage.spans import Span, total

# A client that sends the same bytes makes one of the two stop. More often than this it is no coincidence.
MOST_CONFLICTS = 3
POLL_S = 0.2
LONGEST_POLL_S = 2.0


class Sending:
    """Sends the pieces of one upload. `sent` and `zeros` count bytes of this run."""

    def __init__(
        self,
        retry: Retry,
        images: Images,
        source: Source,
        image_id: str,
        url: str,
        progress: Progress,
        *,
        finds_zeros: bool,
    ) -> None:
        """*finds_zeros*: look for zeros that are no holes, and do not send them."""
        self.sent = 0
        self.zeros = 0
        self._retry = retry
        self._images = images
        self._source = source
        self._image_id = image_id
        self._url = url
        self._progress = progress
        self._is_complete = False
        self._finds_zeros = finds_zeros

    async def run(self, pieces: Sequence[Piece], connections: int) -> None:
        """Send *pieces*, and return when the image is active.

        Raises:
            ServerRefused: If the server does not want these bytes.
            NetworkGaveUp: If it cannot be reached for too long.
            UnusableFile: If the file cannot be read.
        """
        size = self._source.size
        self._phases = Phases(self._progress, size, size - _length(pieces))
        most = max((piece.length for piece in pieces if not piece.zeros), default=1)
        await self._send_all(pieces, connections)
        while not self._is_complete:
            await self._conclude(most, connections)

    async def _send_all(self, pieces: Sequence[Piece], connections: int) -> None:
        waiting = deque(pieces)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(connections, len(pieces))):
                    group.create_task(self._send_from(waiting))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the first caused the others

    async def _send_from(self, waiting: deque[Piece]) -> None:
        while waiting and not self._is_complete:
            for piece in await self._without_zeros(waiting.popleft()):
                await self._deliver(piece)

    async def _without_zeros(self, piece: Piece) -> list[Piece]:
        """Return the parts of *piece*, of which the zeros need not be sent."""
        if piece.zeros or not self._finds_zeros:
            return [piece]
        return plan(piece.span, (), await asyncio.to_thread(self._source.zeros_in, piece.span), piece.length)

    async def _deliver(self, piece: Piece) -> None:
        """Send *piece*, and send again whatever did not arrive."""
        outage = Outage(self._retry)
        missing, conflicts = [piece], 0
        while missing and not self._is_complete:
            failure = await self._try(missing[0])
            if failure is None:
                missing.pop(0)
                outage.over()
                continue
            conflicts += failure.at_least_s == 0
            if conflicts > MOST_CONFLICTS:
                raise ServerRefused(failure.why, status=409)
            await outage.wait(failure.why, at_least_s=failure.at_least_s)
            before, missing = missing, await self._missing(piece)
            if _length(missing) < _length(before):
                outage.over()
            self._phases.advance(_length(before) - _length(missing))

    async def _try(self, piece: Piece) -> Failure | None:
        """Send *piece* once. Return the failure if it is worth another try."""
        counted = 0

        def count(more: int) -> None:
            nonlocal counted
            counted += more
            self.sent += more
            self._phases.advance(more)

        body = None if piece.zeros else self._source.body(piece.span, count)
        try:
            answer = await self._images.send(self._url, piece.span, self._source.size, body)
        except Broken as broken:
            failure: Failure | None = Failure(str(broken))
        else:
            failure = await self._failure_of(answer)
        if failure is not None:
            self._phases.advance(-counted)
        elif piece.zeros:
            self.zeros += piece.length
            self._phases.advance(piece.length)
        return failure

    async def _failure_of(self, answer: Answer) -> Failure | None:
        """Return what went wrong, from the *answer* to a piece; None if nothing did.

        Raises:
            ServerRefused: If it is the end of the upload.
        """
        if answer.status in (200, 201, 202):
            return None
        if answer.status == 204:
            self._is_complete = True
            return None
        if answer.status in GONE:
            await self._gone(answer)
            return None
        said = f"the server answered {answer.message}"
        if answer.is_passing:
            return Failure(said, answer.retry_after_s)
        if answer.status == 409:
            if await self._is_active():
                return None
            return Failure(said, 0)
        raise answer.refusal(said)

    async def _gone(self, answer: Answer) -> None:
        """The upload has ended: either it succeeded and the answer was lost, or it failed.

        Raises:
            ServerRefused: If not.
        """
        if not await self._is_active():
            raise answer.refusal(f"the upload has ended: {answer.message}")

    async def _is_active(self) -> bool:
        """Return whether the image has its bytes, so that nothing is left to do."""
        image = await self._images.find_by_id(self._image_id)
        self._is_complete = image is not None and image["status"] == "active"
        return self._is_complete

    async def _missing(self, piece: Piece) -> list[Piece]:
        """Return what the server does not have of *piece*."""
        found = await self._images.find_upload(self._url)
        if isinstance(found, Answer):
            await self._gone(found)
            return []
        zeros = [piece.span] if piece.zeros else []
        return plan(piece.span, found.received, zeros, max(1, piece.length))

    async def _conclude(self, size: int, connections: int) -> None:
        """Wait for the verdict after everything was sent, and send again what was lost."""
        outage = Outage(self._retry)
        pause, verified = POLL_S, -1
        while not await self._is_active():
            found = await self._images.find_upload(self._url)
            if isinstance(found, Answer):
                await self._gone(found)
                return
            if missing := plan(Span(0, self._source.size), found.received, (), size):
                self._phases.advance(-_length(missing))
                await self._send_all(missing, connections)
                return
            if verified < 0:
                self._progress.begin(WAITING, self._source.size, found.verified)
            if found.verified > verified:
                self._progress.advance(found.verified - verified if verified >= 0 else 0)
                verified = found.verified
                outage.over()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_POLL_S)
            else:
                await self._nudge(outage)

    async def _nudge(self, outage: Outage) -> None:
        """Send the last byte again: its answer is the verdict, even from a server that was restarted."""
        last = Piece(Span(self._source.size - 1, self._source.size))
        failure = await self._try(last)
        self._phases.advance(-1 if failure is None else 0)
        if not self._is_complete:
            why = failure.why if failure else "the server has all bytes but does not finish verifying them"
            await outage.wait(why, at_least_s=failure.at_least_s if failure else None)


def _length(pieces: Sequence[Piece]) -> int:
    return total(piece.span for piece in pieces)
