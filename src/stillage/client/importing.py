"""Has a server import an image: from a URL, which it reads itself, or from a file, which is staged first.

What the task says is the truth about progress and success; nothing is guessed here. Works with any Glance, which shows
no progress.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from stillage.client.attributes import Attributes
from stillage.client.errors import ServerRefused, UnusableFile
from stillage.client.images import Images
from stillage.client.plain import PlainSending
from stillage.client.progress import Progress
from stillage.client.session import Session
from stillage.client.source import Source

POLL_S = 0.2
LONGEST_POLL_S = 2.0
PERCENT = 100
WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants.

    Attributes:
        attributes: Of the new image.
        stores: To fill; empty leaves it to the server.
        must_succeed: False if one store is enough.
        waits: Until the import has ended.
    """

    attributes: Attributes
    stores: tuple[str, ...] = ()
    all_stores: bool = False
    must_succeed: bool = True
    waits: bool = True

    def document(self, source: str) -> dict[str, Any]:
        """Return the request for an import of *source*."""
        method = {"name": "web-download", "uri": source} if is_url(source) else {"name": "glance-direct"}
        document: dict[str, Any] = {"method": method}
        if self.stores:
            document["stores"] = list(self.stores)
        if self.all_stores:
            document["all_stores"] = True
        if not self.must_succeed:
            document["all_stores_must_succeed"] = False
        return document


@dataclass(slots=True)
class Outcome:
    """The result so far.

    Attributes:
        sent: Bytes of a file that were sent.
        image: The record, as last read.
    """

    image_id: str | None = None
    task_id: str | None = None
    sent: int = 0
    image: dict[str, Any] = field(default_factory=dict)


def is_url(source: str) -> bool:
    return source.lower().startswith(WEB)


class Import:
    """Imports one image."""

    def __init__(self, session: Session, order: Order, *, progress: Progress) -> None:
        self._session = session
        self._images = Images(session)
        self._order = order
        self._progress = progress
        self.outcome = Outcome()

    async def run(self, source: str) -> None:
        """Import *source*, a URL or the name of a file.

        Raises:
            ClientError: If that was not possible; its kind says why. An image that was refused is deleted.
        """
        document = self._order.document(source)
        if is_url(source):
            await self._import(None, document)
            return
        with Source.opened(source) as opened:
            await self._import(opened, document)

    async def _import(self, source: Source | None, document: Mapping[str, Any]) -> None:
        image_id = self.outcome.image_id = str(uuid4())
        await self._images.create(image_id, self._order.attributes)
        try:
            if source is not None:
                await self._stage(source, image_id)
            await self._images.start_import(image_id, document)
            if self._order.waits:
                await self._wait(image_id)
            else:
                await self._look(image_id)
        except (ServerRefused, UnusableFile):
            await self._images.delete(image_id)
            raise

    async def _stage(self, source: Source, image_id: str) -> None:
        sending = PlainSending(self._session.retry, self._images, source, image_id, self._progress, stage=True)
        try:
            await sending.run(silently=False)
        finally:
            self.outcome.sent = sending.sent
        source.require_unchanged()

    async def _wait(self, image_id: str) -> None:
        pause, shown = POLL_S, 0
        self._progress.begin("importing", PERCENT, unit="percent")
        while (task := await self._look(image_id)) is None or task["status"] in ("pending", "processing"):
            percent = int(PERCENT * float((task or {}).get("os_stillage_progress") or 0))
            if percent > shown:
                self._progress.advance(percent - shown)
                shown = percent
            if self._is_over(task):
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_S)
        self._require_active(task)

    def _is_over(self, task: dict[str, Any] | None) -> bool:
        """Whether the image says so: for a server that shows its tasks to administrators only."""
        image = self.outcome.image
        return task is None and image["status"] != "importing" and not image.get("os_glance_importing_to_stores")

    async def _look(self, image_id: str) -> dict[str, Any] | None:
        """Read the image, and its last task; return that, None if the server does not show it."""
        task = await self._images.find_last_task(image_id)
        self.outcome.image = await self._images.get(image_id)
        if task is not None:
            self.outcome.task_id = task["id"]
        return task

    def _require_active(self, task: dict[str, Any] | None) -> None:
        image = self.outcome.image
        if image["status"] == "active":
            return
        why = (task or {}).get("message") or image.get("os_stillage_reason") or "no reason given"
        raise ServerRefused(f"the import failed: {why}", status=415)
