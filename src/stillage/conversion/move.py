"""Makes a compressed QCOW2 of a stream-optimized VMDK without expanding it: reads grains in threads, moves them."""

from collections.abc import Iterator

from stillage.conversion.pool import Pool
from stillage.conversion.progress import Advance
from stillage.conversion.source import Source
from stillage.formats.disk import Packed
from stillage.formats.packing.base import Unit
from stillage.formats.packing.qcow2 import PackedQcow2
from stillage.formats.packing.qcow2_from_vmdk import moved

BATCH = 1 << 20
"""Bytes of the disk that are moved at once."""

Batch = list[Packed]


def moved_grains(
    source: Source, packer: PackedQcow2, pool: Pool, advance: Advance = lambda _count: None
) -> Iterator[bytes]:
    """Yield the bytes of the file, as `conversion.pack.packed` does. A grain that cannot be moved is compressed anew.

    Raises:
        MalformedImage: If the disk cannot be read.
        OSError: If the file cannot be read.
    """
    reader = source.reader
    size = reader.disk.unit

    def move(batch: Batch) -> tuple[int, list[Unit]]:
        units = [moved(unit, record, size) or _anew(source, packer, unit) for unit, record in reader.packed(batch)]
        return batch[-1].at + batch[-1].length, units

    done = 0
    yield packer.head()
    for end, units in pool.in_order(move, _batches(source)):
        yield packer.place(units)
        advance(end - done)
        done = end
    yield packer.tail()
    advance(reader.size - done)


def _anew(source: Source, packer: PackedQcow2, unit: Packed) -> Unit:
    size = source.reader.disk.unit
    (data,) = source.reader.expand([unit])
    return packer.unit(unit.at // size, memoryview(data.ljust(size, b"\0")))


def _batches(source: Source) -> Iterator[Batch]:
    batch: Batch = []
    for extent in source.extents(0, source.reader.size):
        assert isinstance(extent, Packed)  # noqa: S101 - a compressed extent stores nothing else
        batch.append(extent)
        if len(batch) * source.reader.disk.unit >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
