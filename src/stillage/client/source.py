"""The file to upload: recognised after a restart, inspected before anything is sent, read by several connections."""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stillage.client.errors import RefusedLocally, UnusableFile, VerificationFailed
from stillage.client.file_body import READ, FileBody
from stillage.client.local import HOLE, Identity, Rules, inspect_file, size_of
from stillage.client.pieces import ZeroMap
from stillage.client.rate_limit import RateLimit
from stillage.client.state import Entry
from stillage.formats.safety import Declaration
from stillage.formats.verdict import Verdict
from stillage.holes import next_data
from stillage.spans import Span

# Bytes of a block that are read to see that it has more than zeros.
LOOKED_AT = 4096
# A file written just now may be written again without its time changing.
SETTLED_S = 2.0


class Source:
    """A file, opened for an upload."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = size
        self.rate: RateLimit | None = None
        self.identity = Identity.of(descriptor, size)

    @classmethod
    @contextmanager
    def opened(cls, name: str) -> Iterator["Source"]:
        """Open the file *name*.

        Raises:
            UnusableFile: If it cannot be read, or read only once.
        """
        path = Path(os.path.abspath(name))  # noqa: PTH100 - a name, not where links lead: it is shown and compared
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for a writer
        except OSError as error:
            raise UnusableFile(f"cannot read it: {error.strerror}") from error
        try:
            yield cls(path, descriptor, _size_of(descriptor))
        finally:
            os.close(descriptor)

    def inspect(self, declaration: Declaration, rules: Rules) -> Verdict:
        """Inspect the file as the server would. Only what an inspector asks for is read.

        Raises:
            RefusedLocally: If it would be refused.
            UnusableFile: If it cannot be read.
        """
        try:
            verdict = inspect_file(self.descriptor, self.size, declaration, rules)
        except OSError as error:
            raise UnusableFile(f"cannot read it: {error.strerror}") from error
        if not verdict.accepted:
            raise RefusedLocally.because(verdict.hazards)
        return verdict

    def holes(self) -> list[Span]:
        """Return the holes that the file system reports."""
        zeros = ZeroMap(self.size)
        at = 0
        try:
            while at < self.size:
                data = next_data(self.descriptor, at, self.size)
                zeros.note(Span(at, data))
                at = os.lseek(self.descriptor, data, os.SEEK_HOLE) if data < self.size else data
        except OSError:
            pass  # the file system cannot tell
        return zeros.runs

    def body(self, span: Span, sent: Callable[[int], None]) -> FileBody:
        """Return the bytes of *span* as a request body. *sent* is called with how many the connection has taken."""
        return FileBody(self.descriptor, span, self.read, sent, self.rate)

    def zeros_in(self, span: Span) -> list[Span]:
        """Return where *span* has only zeros, as far as that is worth a request. Little of other bytes is read."""
        zeros = ZeroMap(self.size)
        for at in range(span.first, span.end, READ):
            length = min(READ, span.end - at)
            if HOLE.startswith(self.read(at, min(LOOKED_AT, length))):
                zeros.saw(at, os.pread(self.descriptor, length, at))
        return zeros.runs

    def read(self, at: int, length: int) -> bytes:
        """Bytes from *at* on, one at least.

        Raises:
            UnusableFile: If there are none, or they cannot be read.
        """
        try:
            block = os.pread(self.descriptor, length, at)
        except OSError as error:
            raise UnusableFile(f"cannot read it at byte {at}: {error.strerror}") from error
        if not block:
            raise UnusableFile(f"it was truncated to less than {self.size} bytes while it was sent")
        return block

    def digest(self, span: Span, before: bytes) -> str:
        """SHA-256 of *before* and the bytes of *span*, in hex."""
        digest = hashlib.sha256(before)
        at = span.first
        while at < span.end:
            block = self.read(at, min(READ, span.end - at))
            digest.update(block)
            at += len(block)
        return digest.hexdigest()

    def require_unchanged(self) -> None:
        """Check that the file has not changed since it was opened.

        Raises:
            VerificationFailed: If somebody has.
        """
        if Identity.of(self.descriptor, _size_of(self.descriptor)) != self.identity:
            raise VerificationFailed("the file changed while it was sent; send it again")

    # Digests that were made before

    def known_digests(self, entry: Entry) -> dict[str, str]:
        """Return what *entry* remembers, if it is about the bytes that the file has now."""
        kept = entry.read() or {}
        found = kept.get("digests") if kept.get("file") == self._exactly() else None
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}

    def remember_digests(self, entry: Entry, digests: Mapping[str, str]) -> None:
        if digests and time.time_ns() - os.fstat(self.descriptor).st_ctime_ns > SETTLED_S * 1e9:
            entry.write({"file": self._exactly(), "digests": {**self.known_digests(entry), **digests}})

    def _exactly(self) -> list[int]:
        found = os.fstat(self.descriptor)
        return [self.size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _size_of(descriptor: int) -> int:
    try:
        kind = os.fstat(descriptor).st_mode
        size = size_of(descriptor) if stat.S_ISREG(kind) or stat.S_ISBLK(kind) or stat.S_ISDIR(kind) else None
    except OSError as error:
        raise UnusableFile(f"cannot read it: {error.strerror}") from error
    if size is None:
        raise UnusableFile("it cannot be read twice, as uploads need; send it with curl -T")
    return size
