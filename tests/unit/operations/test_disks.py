"""What a range of a view is sent as, and what expanding compressed disks may cost."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packed import packed
from random_disks import MADE_AT, RandomDisk, disks, noise
from stillage.errors import FormatNotAvailable, InvalidInput, TooManyConversions
from stillage.formats.block_map import BlockMap
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of
from stillage.formats.raw.read import RawDisk
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk
from stillage.formats.views.base import Blank
from stillage.formats.views.outputs import view_of
from stillage.operations.disks.chunks import DIRECT, Chunk, Stretch, chunks_of, take
from stillage.operations.disks.limits import MOST_WASTED, WASTED_PER_S, ExpandingLimits
from stillage.operations.disks.wanted import wanted_of

MIB = 1 << 20


def sent(chunks: Iterator[Chunk], stored: bytes) -> bytes:
    made = bytearray()
    while batch := take(chunks):
        for chunk in batch:
            match chunk:
                case Stretch(offset, length):
                    made += stored[offset : offset + length]
                case Blank(length):
                    made += bytes(length)
                case _:
                    made += chunk
    return bytes(made)


@given(
    disk=disks().filter(lambda disk: disk.size <= 4 * MIB),
    part=st.data(),
    method=st.sampled_from(("zlib", "zstd")),
)
def test_any_range_of_a_compressed_disk_is_right(
    disk: RandomDisk,
    part: st.DataObject,
    method: str,
) -> None:
    guest = disk.read(0, disk.size)
    stored = packed(packer_of(Output("qcow2", compression=method), disk.size, Made(bytes(16))), guest)
    reader = reader_of("qcow2", stored)
    view = view_of("raw", "", disk.size, BlockMap(disk.size, []), b"", MADE_AT)
    first = part.draw(st.integers(0, disk.size - 1))
    length = part.draw(st.integers(1, disk.size - first))
    assert sent(chunks_of(view, reader, first, length), stored) == guest[first : first + length]


def reader_of(disk_format: str, stored: bytes) -> DiskReader:
    def read_at(offset: int, length: int) -> bytes:
        return stored[offset : offset + length]

    return DiskReader(open_disk(READERS[disk_format], read_at, len(stored)), read_at)


def test_long_stretches_of_the_file_are_not_read() -> None:
    size = 3 * DIRECT

    def read_at(_offset: int, _length: int) -> bytes:
        raise AssertionError("it is sent from the file")

    reader = DiskReader(RawDisk(size, size), read_at)
    view = view_of("vhd", "fixed", size, BlockMap(size, []), b"", MADE_AT)
    first, last = take(chunks_of(view, reader, 512, view.size - 512)), take(iter([]))
    assert first[0] == Stretch(512, size - 512)
    assert last == []


def test_one_byte_of_a_compressed_disk_costs_one_unit() -> None:
    guest = b"text" * (MIB // 4)
    stored = packed(packer_of(Output("qcow2", compression="zlib"), MIB, Made(bytes(16))), guest)
    reader = reader_of("qcow2", stored)
    for at in (70_000, 70_001):
        assert reader.read(at, 1) == guest[at : at + 1]
    assert reader.expanded == 64 << 10


def test_a_batch_holds_little() -> None:
    batch = take(iter([noise(1, 100_000)] * 1000))
    assert sum(map(len, batch)) < 2 * MIB
    assert len(take(iter([b"x"] * 1000))) < 1000


class TestLimits:
    def test_a_project_that_wastes_too_much_waits(self) -> None:
        now = [100.0]
        limits = ExpandingLimits(8, lambda: now[0])
        for _ in range(MOST_WASTED // (2 * MIB) + 1):
            with limits.slot("lab"):
                limits.count("lab", expanded=2 * MIB, sent=1)
        limits.count("lab", expanded=2 * MIB, sent=1)
        with pytest.raises(TooManyConversions, match="faster than they are expanded") as refused, limits.slot("lab"):
            pass
        with limits.slot("works"):
            pass
        now[0] += refused.value.retry_after_s
        with limits.slot("lab"):
            pass

    def test_what_is_sent_is_not_wasted(self) -> None:
        limits = ExpandingLimits(1, lambda: 0.0)
        for _ in range(3):
            with limits.slot("lab"):
                limits.count("lab", expanded=MOST_WASTED, sent=MOST_WASTED)

    def test_waste_is_forgotten_at_its_rate(self) -> None:
        now = [0.0]
        limits = ExpandingLimits(1, lambda: now[0])
        limits.count("lab", expanded=MOST_WASTED + WASTED_PER_S, sent=0)
        with pytest.raises(TooManyConversions) as refused, limits.slot("lab"):
            pass
        assert refused.value.retry_after_s == 2

    def test_a_slot_is_free_again_after_a_failure(self) -> None:
        limits = ExpandingLimits(1, lambda: 0.0)
        with suppress(KeyError), limits.slot("lab"):
            with pytest.raises(TooManyConversions, match="1 disks at once"), limits.slot("works"):
                pass
            raise KeyError
        with limits.slot("works"):
            pass


def test_the_first_subformat_is_meant_without_one() -> None:
    assert wanted_of("vhd", None) == ("vhd", "dynamic")
    assert wanted_of("vmdk", None) == ("vmdk", "monolithicSparse")
    assert wanted_of("vhd", "fixed") == ("vhd", "fixed")


def test_what_nobody_writes_is_not_available() -> None:
    with pytest.raises(FormatNotAvailable, match="iso: an ISO image is a file system on a medium, and no container"):
        wanted_of("iso", None)
    with pytest.raises(InvalidInput, match="unknown disk_format"):
        wanted_of("", None)
