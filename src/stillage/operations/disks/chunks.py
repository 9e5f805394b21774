"""Turn a range of a view into chunks to send: bytes, stretches of the stored file, zeros. Pure; runs in a thread."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stillage.formats.disk import Stored, Zeros
from stillage.formats.reading import DiskReader
from stillage.formats.views.base import Blank, Guest, Literal, View

DIRECT = 1 << 20
"""Stored bytes of at least this length are not read here: the kernel sends them from the file."""
READ = 1 << 20
"""Bytes that are read or expanded at once, and that a batch holds."""
SENT = 32 << 20
"""Bytes that are not here and that a batch stands for."""
MOST_CHUNKS = 64


class Stretch(NamedTuple):
    """The bytes of the stored file from *offset* on."""

    offset: int
    length: int


Chunk = bytes | Stretch | Blank


def length_of(chunk: Chunk) -> int:
    return len(chunk) if isinstance(chunk, bytes) else chunk.length


def chunks_of(view: View, reader: DiskReader, first: int, length: int) -> Iterator[Chunk]:
    """Yield what the bytes ``first … first + length - 1`` of *view* are.

    Raises:
        MalformedImage: If the disk cannot be read there.
    """
    for piece in view.pieces(first, length):
        match piece:
            case Literal(data):
                yield data
            case Guest(at, count):
                yield from _guest(reader, at, at + count)
            case _:
                yield piece


def _guest(reader: DiskReader, first: int, end: int) -> Iterator[Chunk]:
    """Read what is packed, short or mixed; leave long stretches and holes to who sends them."""
    if end - first < DIRECT:
        yield reader.read(first, end - first)
        return
    pending = first
    for extent in reader.extents(first, end - first):
        if isinstance(extent, Stored | Zeros) and extent.length >= DIRECT:
            yield from _read(reader, pending, extent.at)
            yield Stretch(extent.offset, extent.length) if isinstance(extent, Stored) else Blank(extent.length)
            pending = extent.at + extent.length
            continue
        known = min(extent.at + extent.length, end)
        if known - pending >= READ:
            yield from _read(reader, pending, known)
            pending = known
    yield from _read(reader, pending, end)


def _read(reader: DiskReader, first: int, end: int) -> Iterator[bytes]:
    for at in range(first, end, READ):
        yield reader.read(at, min(READ, end - at))


def take(chunks: Iterator[Chunk]) -> Sequence[Chunk]:
    """Return the next chunks: about `READ` bytes, and `SENT` that are not here. Empty at the end."""
    taken: list[Chunk] = []
    held = elsewhere = 0
    for chunk in chunks:
        taken.append(chunk)
        if isinstance(chunk, bytes):
            held += len(chunk)
        else:
            elsewhere += chunk.length
        if held >= READ or elsewhere >= SENT or len(taken) == MOST_CHUNKS:
            break
    return taken
