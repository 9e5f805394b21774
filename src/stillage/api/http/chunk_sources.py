"""What the chunks of a view are sent from: bytes at hand, zeros, stretches of the stored blob, many in one turn."""

import os
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import aclosing

from stillage.formats.views.base import Blank
from stillage.operations.disks.chunks import Chunk, Stretch
from stillage.spans import Span
from stillage.stores.abilities import LocalFile, Sends, Source
from stillage.stores.sources import THREADS, FileSource

ZEROS = memoryview(bytes(256 << 10))


class BytesSource:
    """Bytes that are here."""

    threads: Executor = THREADS

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    @property
    def left(self) -> int:
        return len(self._rest)

    def send(self, connection: int) -> None:
        self._rest = self._rest[os.write(connection, self._rest) :]

    def close(self) -> None:
        self._rest = memoryview(b"")


class ZerosSource:
    """So many zero bytes."""

    threads: Executor = THREADS

    def __init__(self, length: int) -> None:
        self.left = length

    def send(self, connection: int) -> None:
        self.left -= os.write(connection, ZEROS[: self.left])

    def close(self) -> None:
        pass


class Joined:
    """Several sources, one behind the other: a thread sends them without asking the event loop in between."""

    threads: Executor = THREADS

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = deque(sources)
        self.left = sum(source.left for source in self._sources)

    def send(self, connection: int) -> None:
        first = self._sources[0]
        before = first.left
        first.send(connection)
        self.left -= before - first.left
        if not first.left:
            self._sources.popleft().close()

    def close(self) -> None:
        while self._sources:
            self._sources.popleft().close()


async def sources_of(blob: Sends, batches: AsyncGenerator[Sequence[Chunk]]) -> AsyncGenerator[Source]:
    """Yield what *batches* are sent from, in order; stretches are of *blob*. Whoever receives a source closes it.

    Raises:
        StillageError: What *batches* raise.
    """
    async with aclosing(batches):
        async for batch in batches:
            local: list[Source] = []
            for chunk in batch:
                if isinstance(chunk, Stretch) and not isinstance(blob, LocalFile):
                    yield Joined(local)
                    local = []
                    async for source in blob.sources(chunk.offset, chunk.length):
                        yield source
                    continue
                local.append(_source(blob, chunk))
            yield Joined(local)


def _source(blob: Sends, chunk: Chunk) -> Source:
    match chunk:
        case Stretch(offset, length):
            assert isinstance(blob, LocalFile)  # noqa: S101 - others have been sent
            # A duplicate: the reader may be closed while a thread sends, and the number may then be another image.
            return FileSource(os.dup(blob.file_descriptor), Span(offset, offset + length))
        case Blank(length):
            return ZerosSource(length)
        case _:
            return BytesSource(chunk)
