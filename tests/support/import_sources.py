"""Sources of imports that are in memory, and fail when and as a test wants."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from stillage.errors import InvalidInput, StillageError
from stillage.operations.imports.sources import Described, Opened, RemoteImage, WebFile

PIECE = 100_000


@dataclass
class File:
    """What there is at one address.

    Attributes:
        declared: How many bytes the source says that it has; None if it does not.
        failure: Raised after *fails_after* bytes; while opening, if that is None.
        gate: What comes after the first piece waits for it.
        begun: Set when the first piece was taken.
    """

    data: bytes
    declared: int | None = None
    failure: StillageError | None = None
    fails_after: int | None = None
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    described: Described | None = None
    opened: int = 0
    open_now: int = 0

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[Opened]:
        self.opened += 1
        if self.failure is not None and self.fails_after is None:
            raise self.failure
        self.open_now += 1
        try:
            yield Opened(self.declared, name, self._chunks(), described=self.described)
        finally:
            self.open_now -= 1

    async def _chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), PIECE):
            if self.fails_after is not None and start >= self.fails_after and self.failure is not None:
                raise self.failure
            yield self.data[start : start + PIECE]
            self.begun.set()
            if self.gate is not None:
                await self.gate.wait()


class MemoryWeb:
    """Implements `Source[WebFile]`."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.asked: list[WebFile] = []

    def check(self, address: WebFile) -> None:
        if not address.url.startswith(("http://", "https://")):
            raise InvalidInput(f"{address.url} does not pass filtering: use http or https")

    def open(self, address: WebFile) -> Any:
        self.asked.append(address)
        return _at(self.files, address.url).open(address.url.rpartition("/")[2])


class MemoryGlance:
    """Implements `Source[RemoteImage]`."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.asked: list[RemoteImage] = []

    def check(self, address: RemoteImage) -> None:
        """Nothing can be said against any."""

    def open(self, address: RemoteImage) -> Any:
        self.asked.append(address)
        return _at(self.files, address.image_id).open(address.image_id)


@dataclass
class MemorySources:
    """Implements `Sources`."""

    web: MemoryWeb = field(default_factory=MemoryWeb)
    remote: MemoryGlance = field(default_factory=MemoryGlance)

    async def close(self) -> None:
        """Nothing is open."""


def _at(files: Mapping[str, File], address: str) -> File:
    absent = InvalidInput(f"there is nothing at {address}")
    return files.get(address) or File(b"", failure=absent)
