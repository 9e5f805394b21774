from threading import current_thread

from hypothesis import given, settings
from hypothesis import strategies as st

from packed import disks, packed, run
from stillage.conversion.pack import packed as converted
from stillage.conversion.pool import Pool
from stillage.conversion.source import Data, Source, batches
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import OUTPUTS, Output
from stillage.formats.packing.packers import packer_of
from stillage.formats.raw import read as raw
from stillage.formats.reading import DiskReader, open_disk

MADE = Made(bytes(16))


def source(disk: bytes) -> Source:
    def read_at(offset: int, length: int) -> bytes:
        return disk[offset : offset + length]

    return Source(DiskReader(open_disk(raw, read_at, len(disk)), read_at), read_at)


@given(disks(), st.sampled_from(OUTPUTS))
@settings(max_examples=15)
def test_threads_make_the_same_file_as_one_call_after_the_other(disk: bytes, output: Output) -> None:
    packer = packer_of(output, len(disk), MADE)
    done: list[int] = []
    with Pool(3) as pool:
        made = bytearray(b"".join(converted(source(disk), packer, pool, done.append)))
    for offset, data in packer.patches():
        made[offset : offset + len(data)] = data
    assert made == packed(packer_of(output, len(disk), MADE), disk)
    assert sum(done) == len(disk)


def test_a_disk_that_must_be_read_in_order_is_read_by_one_thread_and_in_order() -> None:
    whole = source(run("text", 1, 9 << 20))
    whole.reader.disk = whole.reader.disk._replace(in_order=True)  # type: ignore[attr-defined]
    read: list[int] = []
    readers = set()
    reads = whole.reader.read

    def watched(first: int, length: int) -> bytes:
        read.append(first)
        readers.add(current_thread())
        return reads(first, length)

    whole.reader.read = watched  # type: ignore[method-assign]
    with Pool(3) as pool:
        list(converted(whole, packer_of(Output("zvhd2"), 9 << 20, MADE), pool))
    assert read == [at << 21 for at in range(5)]
    assert readers == {current_thread()}


def test_batches_are_those_with_data_once_each() -> None:
    data = [Data(10, 5), Data(95, 10), Data(120, 1), Data(350, 150), Data(500, 1)]
    assert list(batches(data, 100)) == [0, 100, 300, 400, 500]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), max_size=8), st.integers(1, 200))
def test_batches_cover_all_data(steps: list[tuple[int, int]], size: int) -> None:
    data, at = [], 0
    for gap, length in steps:
        data.append(Data(at + gap, length))
        at += gap + length
    expected = sorted({byte // size * size for run in data for byte in range(run.at, run.at + run.length)})
    assert list(batches(data, size)) == expected
