"""Downloads an image to a file over several connections, and resumes an interrupted download.

Bytes go to ``FILE.part``, which is renamed once it is complete and has the digests of the record. What has
arrived is recorded in the state folder, but only after it is on disk.
"""

import asyncio
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from stillage.client.digests import Digests
from stillage.client.errors import ServerRefused, UnusableFile, VerificationFailed
from stillage.client.http import Answer, Broken, alive
from stillage.client.images import Images
from stillage.client.part_file import PartFile
from stillage.client.pieces import MIB, Piece, piece_size, plan
from stillage.client.progress import Progress
from stillage.client.rate_limit import RateLimit
from stillage.client.retry import Outage
from stillage.client.session import Session
from stillage.client.state import Shelf
from stillage.client.verification import digests_of, verify
from stillage.spans import Span, total

READ = MIB


@dataclass(slots=True)
class Fetched:
    """The result so far; see `upload.Outcome`."""

    size: int = 0
    image_id: str | None = None
    file: str | None = None
    received: int = 0
    resumed: int = 0
    verified: Mapping[str, str] = field(default_factory=dict)


async def find_with_data(images: Images, image: str) -> Mapping[str, Any]:
    """Return the record of the image with this name or id; ServerRefused if it has no data."""
    record = await images.get_by_name(image)
    if record["status"] != "active" or record.get("size") is None:
        raise ServerRefused(f"image {record['id']} is {record['status']}; it has no data to download", status=409)
    return record


class Download:
    """Fetches one image.

    Args:
        session: With the server.
        state: The folder for state that outlives the command.
        connections: How many at the same time.
        force: Overwrite an existing file.
        disk: Fetch the disk inside the image, raw, in place of the image. Nobody knows its digest.
        progress: Where to report.
        rate: Limits the rate.
    """

    def __init__(
        self,
        session: Session,
        *,
        state: Path,
        connections: int,
        force: bool,
        progress: Progress,
        disk: bool = False,
        rate: RateLimit | None = None,
    ) -> None:
        self._session = session
        self._images = Images(session)
        self._begun = Shelf(state, "downloads")
        self._connections = connections
        self._force = force
        self._disk = disk
        self._rate = rate
        self._progress = progress
        self._waiting: deque[Piece] = deque()
        self._has_answered = asyncio.Event()
        self.outcome = Fetched()

    async def run(self, image: str, output: str | None) -> Fetched:
        """Fetch the image with this name or id into the file *output*, or one named like the image.

        Raises:
            ClientError: If that was not possible; its kind says why.
        """
        record = await find_with_data(self._images, image)
        path = _path_of(output or _name_of(record))
        size = await self._images.disk_size(str(record["id"])) if self._disk else int(record["size"])
        self.outcome.size, self.outcome.image_id, self.outcome.file = size, str(record["id"]), str(path)
        _require_free(path, force=self._force)
        what = [str(record["id"]), str(path), *(["disk"] if self._disk else [])]
        entry = self._begun.entry(self._session.place.image_url, *what)
        with entry.held("is downloading this image to the same file"), PartFile.opened(path, size, entry) as part:
            self.outcome.resumed = total(part.received)
            try:
                await self._fetch(record, part)
            except VerificationFailed:
                part.remove()
                raise
            part.publish(replace=self._force)
        return self.outcome

    async def _fetch(self, record: Mapping[str, Any], part: PartFile) -> None:
        known = {} if self._disk else digests_of(record)
        wanted = [name for name in known if name != "md5"] or list(known)
        self._progress.begin("fetching", part.size, total(part.received))
        async with Digests(part.descriptor, part.size, wanted, part.frontier) as digests:
            try:
                await self._receive(record, part)
            finally:
                await part.keep()
            if not self._disk:
                self.outcome.verified = verify(record, size=part.size, digests=await digests.all())

    async def _receive(self, record: Mapping[str, Any], part: PartFile) -> None:
        missing = part.size - total(part.received)
        pieces = plan(Span(0, part.size), part.received, (), piece_size(missing, self._connections))
        self._waiting.extend(pieces)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(min(self._connections, len(pieces))):
                    group.create_task(self._receive_waiting(str(record["id"]), part, is_first=number == 0))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the first caused the others

    async def _receive_waiting(self, image_id: str, part: PartFile, *, is_first: bool) -> None:
        if not is_first:
            await self._has_answered.wait()  # whether the server knows ranges
        while self._waiting:
            await self._piece(image_id, part, self._waiting.popleft().span)

    async def _piece(self, image_id: str, part: PartFile, span: Span) -> None:
        """Fetch *span*; when the connection breaks, fetch the rest again."""
        outage = Outage(self._session.retry)
        while span.first < span.end:
            if not part.misses(span.first):  # came with an answer to another piece
                span = Span(part.next_missing(span), span.end)
                continue
            before, why, pause = span, None, None
            try:
                request = self._images.data(image_id, span, disk=self._disk)
                async with self._session.stream(request) as (response, limit):
                    refusal = await find_refusal(response)
                    if refusal is not None:
                        why, pause = f"the server answered {refusal.message}", refusal.retry_after_s
                    else:
                        if response.status == 200:
                            span = self._all_at_once(part, span)
                        self._has_answered.set()
                        start = span.first if response.status == 206 else 0
                        span = await self._take(response, limit, part, start, span)
            except Broken as broken:
                why = str(broken)
                span = Span(part.next_missing(span), span.end)
            if span.first > before.first:
                outage.over()
            if why is not None:
                await outage.wait(why, at_least_s=pause)

    def _all_at_once(self, part: PartFile, span: Span) -> Span:
        """The server ignores ranges: take everything from this one answer."""
        if self._waiting:
            self._progress.say("this server does not support ranges: downloading over one connection")
            self._waiting.clear()
            return Span(span.first, part.size)
        return span

    async def _take(
        self, response: aiohttp.ClientResponse, limit: asyncio.Timeout, part: PartFile, at: int, wanted: Span
    ) -> Span:
        """Write the body, which begins at *at*; return what is still missing of *wanted*."""
        async for block in response.content.iter_chunked(READ):
            alive(limit)
            piece = block[: max(0, wanted.end - at)]
            skip = min(len(piece), max(0, wanted.first - at))
            if self._rate is not None:
                await self._rate.take(len(piece))
                alive(limit)
            if piece[skip:]:
                await part.write(at + skip, piece[skip:])
                self.outcome.received += len(piece) - skip
                self._progress.advance(len(piece) - skip)
            at += len(piece)
            if at >= wanted.end:
                response.close()  # a server without ranges sends the rest as well
                break
        return Span(max(wanted.first, min(at, wanted.end)), wanted.end)


async def find_refusal(response: aiohttp.ClientResponse) -> Answer | None:
    """Return *response* as an answer if it has no data and the same request may succeed later; None if it has data.

    Raises:
        ServerRefused: If it has no data, and would have none later.
    """
    if response.status in (200, 206):
        return None
    answer = Answer(response.status, response.headers, await response.read())
    return answer if answer.is_passing else answer.require(200, 206)


def _path_of(name: str) -> Path:
    return Path(os.path.abspath(name))  # noqa: PTH100 - a name, not where links lead


def _require_free(path: Path, *, force: bool) -> None:
    if path.is_dir() or (path.exists() and not force):
        raise UnusableFile(f"{path} exists; use --force to overwrite a file")


def _name_of(record: Mapping[str, Any]) -> str:
    """Return the image's name if it can be a file name, otherwise its id."""
    name = str(record.get("name") or "")
    usable = name.isprintable() and "/" not in name and not name.startswith(".")
    return name if name and usable else str(record["id"])
