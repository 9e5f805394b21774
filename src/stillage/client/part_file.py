"""The file of an unfinished download, ``FILE.part``, and what of it has arrived.

What has arrived is recorded in the state folder, but only after it is on disk.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from stillage.client.digests import Frontier
from stillage.client.errors import UnusableFile
from stillage.client.pieces import MIB
from stillage.client.state import Entry
from stillage.holes import write_data
from stillage.spans import Span, merged

# At most this much has to be fetched again after a power cut.
KEPT_EVERY = 64 * MIB


class PartFile:
    """An incomplete file, and which of its bytes have arrived."""

    def __init__(self, path: Path, descriptor: int, size: int, entry: Entry) -> None:
        self.descriptor = descriptor
        self.size = size
        self.frontier = Frontier()
        self.received: list[Span] = []
        self._path = path
        self._entry = entry
        self._unkept = 0

    @classmethod
    def opened(cls, path: Path, size: int, entry: Entry) -> "PartFile":
        """Open the part beside *path*, with what earlier runs received.

        Raises:
            UnusableFile: If it cannot be written.
        """
        name = path.with_name(f"{path.name}.part")
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise UnusableFile(f"cannot write {name}: {error.strerror}") from error
        part = cls(path, descriptor, size, entry)
        kept, found = entry.read() or {}, os.fstat(descriptor)
        if kept.get("inode") == found.st_ino and kept.get("size") == size == found.st_size:
            part.received = merged(Span(start, end) for start, end in kept["received"])
            part.frontier.advance(part.next_missing(Span(0, size)))
        else:
            part._empty()
        return part

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def _empty(self) -> None:
        try:
            os.ftruncate(self.descriptor, 0)
            os.ftruncate(self.descriptor, self.size)
        except OSError as error:
            raise UnusableFile(f"cannot write {self._path}.part: {error.strerror}") from error

    def misses(self, at: int) -> bool:
        return not any(span.first <= at < span.end for span in self.received)

    def next_missing(self, span: Span) -> int:
        """The first place in *span* that has not come; its end if all has."""
        held = next((have.end for have in self.received if have.first <= span.first < have.end), span.first)
        return min(held, span.end)

    async def write(self, at: int, data: bytes) -> None:
        """Take *data*, which belongs at *at*.

        Raises:
            UnusableFile: If it cannot be written.
        """
        try:
            await asyncio.to_thread(write_data, self.descriptor, data, at)
        except OSError as error:
            raise UnusableFile(f"cannot write {self._path}.part: {error.strerror}") from error
        self.received = merged([*self.received, Span(at, at + len(data))])
        self.frontier.advance(self.next_missing(Span(0, self.size)))
        self._unkept += len(data)
        if self._unkept >= KEPT_EVERY:
            await self.keep()

    async def keep(self) -> None:
        """Record what has arrived."""
        received, self._unkept = self.received, 0
        with suppress(OSError):  # only some time is lost
            await asyncio.to_thread(os.fdatasync, self.descriptor)
            inode = os.fstat(self.descriptor).st_ino
            self._entry.write({"inode": inode, "size": self.size, "received": received})

    def publish(self, *, replace: bool) -> None:
        """Rename the part to its final name.

        Raises:
            UnusableFile: If a file of that name was created in the meantime.
        """
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            os.fsync(self.descriptor)
            if replace:
                part.replace(self._path)
            else:
                _rename(part, self._path)
        except FileExistsError as error:
            raise UnusableFile(f"{self._path} exists; use --force to overwrite it") from error
        except OSError as error:
            raise UnusableFile(f"cannot write {self._path}: {error.strerror}") from error
        self._entry.remove()

    def remove(self) -> None:
        """Discard the part: its bytes are wrong."""
        self._path.with_name(f"{self._path.name}.part").unlink(missing_ok=True)
        self._entry.remove()


def _rename(part: Path, path: Path) -> None:
    """Rename without overwriting, where the file system can do that."""
    try:
        os.link(part, path)
    except PermissionError:  # no hard links here
        if path.exists():
            raise FileExistsError from None
        part.replace(path)
    else:
        part.unlink()
