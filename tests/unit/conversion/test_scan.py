import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.conversion.convert import convert
from stillage.conversion.pool import Pool
from stillage.conversion.scan import BATCH, PROBE, data_of
from stillage.conversion.source import Data, Source
from stillage.conversion.wanted import Wanted
from stillage.errors import DiskDoesNotFit
from stillage.formats.block_map import BlockMap
from stillage.formats.packing.base import Made
from stillage.formats.raw import read as raw
from stillage.formats.raw.read import RawDisk
from stillage.formats.reading import DiskReader, open_disk
from stillage.holes import HOLE


def source(disk: bytes, *, size: int | None = None) -> Source:
    def read_at(offset: int, length: int) -> bytes:
        return disk[offset : offset + length]

    reader = DiskReader(open_disk(raw, read_at, size or len(disk)), read_at)
    return Source(reader, read_at, is_mapped=False)


def blocks(source: Source) -> list[int]:
    """The blocks of 64 KiB that hold data; what is reported ascends."""
    done: list[int] = []
    with Pool(2) as pool:
        data = list(data_of(source, pool, done.append))
    assert sum(done) == source.reader.size
    assert data == sorted(data)
    return [n for run in BlockMap(source.reader.size, data).runs() for n in range(run.first, run.stop)]


@given(st.sets(st.integers(0, 40 * HOLE - 1), max_size=6))
def test_a_block_holds_data_if_one_byte_of_it_is_not_zero(places: set[int]) -> None:
    disk = bytearray(40 * HOLE)
    for place in places:
        disk[place] = 1
    assert blocks(source(bytes(disk))) == sorted({place // HOLE for place in places})


@pytest.mark.parametrize("place", [0, PROBE - 1, PROBE, HOLE - 1])
def test_every_byte_of_a_block_counts(place: int) -> None:
    assert blocks(source(bytes(HOLE + place) + b"x")) == [1]


def test_a_disk_is_looked_at_in_batches() -> None:
    places = 0, BATCH - 1, BATCH, BATCH + HOLE, 2 * BATCH
    disk = bytearray(2 * BATCH + HOLE)
    for place in places:
        disk[place] = 1
    assert blocks(source(bytes(disk))) == [place // HOLE for place in places]


def test_neighbours_of_a_batch_are_one_run() -> None:
    disk = bytes(HOLE) + bytes([1]) * 3 * HOLE + bytes(2 * HOLE) + bytes([1]) * 512
    with Pool(1) as pool:
        assert list(data_of(source(disk), pool)) == [Data(HOLE, 3 * HOLE), Data(6 * HOLE, 512)]


def test_what_the_file_does_not_have_counts_as_data() -> None:
    assert blocks(source(bytes(HOLE), size=3 * HOLE)) == [1, 2]


def test_a_disk_that_is_too_large_for_the_format_is_not_read() -> None:
    class Quiet:
        def begin(self, what: str, total: int, done: int = 0) -> None: ...
        def advance(self, count: int) -> None: ...

    def read_at(_offset: int, _length: int) -> bytes:
        raise AssertionError("it is read")

    size = 3 << 40
    unread = Source(DiskReader(RawDisk(size, size), read_at), read_at, is_mapped=False)
    with Pool(1) as pool, pytest.raises(DiskDoesNotFit, match="a vhd"):
        convert(unread, Wanted("vhd", "dynamic"), -1, Made(bytes(16)), pool, Quiet())
