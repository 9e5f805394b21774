"""Downloads an image to a pipe: in order, over one connection, resumed where it broke off, and verified at the end."""

import asyncio
import hashlib
import os

from stillage.client.download import READ, Fetched, find_refusal, find_with_data
from stillage.client.errors import UnusableFile
from stillage.client.http import Broken, alive
from stillage.client.images import Images
from stillage.client.progress import Progress
from stillage.client.rate_limit import RateLimit
from stillage.client.retry import Outage
from stillage.client.session import Session
from stillage.client.verification import digests_of, verify
from stillage.spans import Span


class StreamDownload:
    """Fetches one image to the open file *descriptor*. *disk*: see `download.Download`."""

    def __init__(
        self,
        session: Session,
        descriptor: int,
        *,
        progress: Progress,
        disk: bool = False,
        rate: RateLimit | None = None,
    ) -> None:
        self._session = session
        self._images = Images(session)
        self._descriptor = descriptor
        self._progress = progress
        self._disk = disk
        self._rate = rate
        self.outcome = Fetched()

    async def run(self, image: str) -> Fetched:
        """Fetch the image with this name or id.

        Raises:
            ClientError: If that was not possible, or the bytes are not those of the record; then they are out already.
        """
        record = await find_with_data(self._images, image)
        image_id = str(record["id"])
        size = await self._images.disk_size(image_id) if self._disk else int(record["size"])
        self.outcome.size, self.outcome.image_id = size, image_id
        known = {} if self._disk else digests_of(record)
        name = next((name for name in known if name != "md5"), next(iter(known), None))
        digest = hashlib.new(name or "sha256", usedforsecurity=False)
        self._progress.begin("fetching", size)
        outage = Outage(self._session.retry)
        while self.outcome.received < size:
            before = self.outcome.received
            why, pause = await self._once(image_id, Span(before, size), digest)
            if self.outcome.received > before:
                outage.over()
            if why is not None:
                await outage.wait(why, at_least_s=pause)
        if not self._disk:
            self.outcome.verified = verify(record, size=size, digests={name: digest.hexdigest()} if name else {})
        return self.outcome

    async def _once(self, image_id: str, span: Span, digest: "hashlib._Hash") -> tuple[str | None, float | None]:
        """Fetch *span*, or a part of it; return why the rest did not come, and how long to wait."""
        try:
            async with self._session.stream(self._images.data(image_id, span, disk=self._disk)) as (response, limit):
                refusal = await find_refusal(response)
                if refusal is not None:
                    return f"the server answered {refusal.message}", refusal.retry_after_s
                skip = 0 if response.status == 206 else span.first
                async for block in response.content.iter_chunked(READ):
                    alive(limit)
                    skipped, skip = block[skip:], max(0, skip - len(block))
                    await self._write(skipped[: span.end - self.outcome.received], digest)
                    alive(limit)
        except Broken as broken:
            return str(broken), None
        return None if self.outcome.received == span.end else "the answer ended too early", None

    async def _write(self, block: bytes, digest: "hashlib._Hash") -> None:
        if self._rate is not None:
            await self._rate.take(len(block))
        try:
            await asyncio.to_thread(_write_all, self._descriptor, block)
        except OSError as error:
            raise UnusableFile(f"cannot write to standard output: {error.strerror}") from error
        digest.update(block)
        self.outcome.received += len(block)
        self._progress.advance(len(block))


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
