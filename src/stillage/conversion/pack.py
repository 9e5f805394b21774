"""Makes a compressed image of a disk: reads and compresses in threads, and yields the file's bytes in order."""

from collections.abc import Callable, Iterator

from stillage.conversion.pool import Pool
from stillage.conversion.progress import Advance
from stillage.conversion.source import Source, batches
from stillage.formats.packing.base import Packer, Packet


def packed(source: Source, packer: Packer, pool: Pool, advance: Advance = lambda _count: None) -> Iterator[bytes]:
    """Yield the bytes of the file, one piece after the other. `Packer.patches` remain to be written.

    Raises:
        MalformedImage: If the disk cannot be read.
        DiskDoesNotFit: If the format turns out to be too small for it.
        OSError: If the file cannot be read.
    """
    size = source.reader.size
    done = 0
    yield packer.head()
    for at, packet in pool.in_order(*_work(source, packer)):
        if piece := packer.place(packet):
            yield piece
        end = min(at + packer.batch, size)
        advance(end - done)
        done = end
    yield packer.tail()
    advance(size - done)


Work = tuple[int, bytes | None]


def _work(source: Source, packer: Packer) -> tuple[Callable[[Work], tuple[int, Packet]], Iterator[Work]]:
    """What the threads do, and with what. A disk that must be read in order is read in the thread that asks for it."""
    reader, length = source.reader, packer.batch
    starts = batches(source.data(), length)

    def pack(work: Work) -> tuple[int, Packet]:
        at, data = work
        return at, packer.pack(at, memoryview(reader.read(at, length) if data is None else data))

    return pack, ((at, reader.read(at, length) if reader.disk.in_order else None) for at in starts)
