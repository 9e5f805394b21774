"""Sends a file as one body, where the server cannot resume uploads or the file is too small to be worth it."""

from collections.abc import Mapping
from typing import Any

from stillage.client.http import Broken
from stillage.client.images import Images
from stillage.client.phases import Phases
from stillage.client.progress import Progress
from stillage.client.retry import Failure, Outage, Retry
from stillage.client.source import Source
from stillage.spans import Span


class PlainSending:
    """Sends one file. `sent` counts bytes of this run."""

    def __init__(
        self, retry: Retry, images: Images, source: Source, image_id: str, progress: Progress, *, stage: bool = False
    ) -> None:
        """*stage*: for an import, in place of making the image active."""
        self.sent = 0
        self._retry = retry
        self._images = images
        self._source = source
        self._image_id = image_id
        self._progress = progress
        self._stage = stage

    async def run(self, *, silently: bool) -> None:
        """Send everything, and from the beginning if that breaks. *silently*: do not say how much had been sent.

        Raises:
            ServerRefused: If the server does not want these bytes.
            NetworkGaveUp: If it cannot be reached for too long.
            UnusableFile: If the file cannot be read.
        """
        outage = Outage(self._retry)
        before = 0
        failure = await self._try()
        while failure is not None:
            why = failure.why if silently else f"{failure.why}, after {self.sent - before} bytes"
            await outage.wait(why, at_least_s=failure.at_least_s)
            if self._has_all(await self._images.get(self._image_id)):
                return  # only the answer was lost
            before = self.sent
            failure = await self._try(again=True)

    def _has_all(self, image: Mapping[str, Any]) -> bool:
        if self._stage:
            return (image["status"], image["size"]) == ("uploading", self._source.size)
        return bool(image["status"] == "active")

    async def _try(self, *, again: bool = False) -> Failure | None:
        """Send everything once. Returns what failed, if another attempt may succeed."""
        self._phases = Phases(self._progress, self._source.size)
        body = self._source.body(Span(0, self._source.size), self._count)
        try:
            answer = await self._images.put(self._image_id, body, self._source.size, stage=self._stage)
        except Broken as broken:
            return Failure(str(broken))
        # The image may still be busy with the attempt that broke.
        if answer.is_passing or (again and answer.status == 409):
            return Failure(f"the server answered {answer.message}", answer.retry_after_s)
        answer.require(200, 201, 204)
        return None

    def _count(self, more: int) -> None:
        self.sent += more
        self._phases.advance(more)
