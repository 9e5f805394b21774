"""Where a file gets holes does not depend on how the bytes are cut."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillage.holes import HOLE, DataRuns, data_runs, write_data, write_pieces

MIB = 1 << 20
SIZE = 10 * MIB + 321


@pytest.fixture(scope="module")
def data() -> bytes:
    """Eight MiB of zeros between bytes that are none."""
    return random.Random(5).randbytes(MIB) + bytes(8 * MIB) + random.Random(6).randbytes(MIB + 321)


@pytest.mark.parametrize("cut", [7_001, 65_535, 65_536, 100_000, MIB, SIZE])
def test_zeros_stay_holes_however_they_are_cut(tmp_path: Path, data: bytes, cut: int) -> None:
    path = tmp_path / "part"
    with path.open("wb") as file:
        os.ftruncate(file.fileno(), SIZE)
        for at in range(0, SIZE, cut):
            write_data(file.fileno(), data[at : at + cut], at)
    assert path.read_bytes() == data
    assert path.stat().st_blocks * 512 < 3 * MIB


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3 * HOLE)), max_size=6))
def test_runs_and_holes_together_are_the_block(parts: list[tuple[bool, int]]) -> None:
    block = b"".join((b"\1" if data else b"\0") * length for data, length in parts)
    rebuilt = bytearray(len(block))
    for start, end in data_runs(block):
        rebuilt[start:end] = block[start:end]
    assert rebuilt == block
    assert all(end > start for start, end in data_runs(block))


@pytest.fixture
def scattered(tmp_path: Path) -> Iterator[int]:
    """A file with 64 KiB of data in each of four MiB, and a hole at its end."""
    descriptor = os.open(tmp_path / "scattered", os.O_RDWR | os.O_CREAT)
    for number in range(4):
        os.pwrite(descriptor, b"x" * HOLE, number * MIB + HOLE)
    os.ftruncate(descriptor, 5 * MIB)
    yield descriptor
    os.close(descriptor)


@given(st.integers(0, 5 * MIB), st.lists(st.integers(1, 2 * MIB), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_the_data_in_parts_of_a_range_are_those_of_the_range(scattered: int, at: int, lengths: list[int]) -> None:
    runs, found = DataRuns(scattered, 5 * MIB), set[int]()
    begin = at
    for length in lengths:
        for first, end in runs.within(at, at + length):
            assert at <= first < end <= at + length
            found |= {*range(first // 512, -(-end // 512))}
        at += length
    data = {
        sector
        for number in range(4)
        for sector in range((number * MIB + HOLE) // 512, (number * MIB + 2 * HOLE) // 512)
    }
    assert found == {sector for sector in data if begin < (sector + 1) * 512 and sector * 512 < at}
    assert len(list(runs.within(0, 5 * MIB))) == 4, "backwards"


def test_the_kernel_is_asked_once_for_each_run_of_data(scattered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    seek = os.lseek

    def counted(descriptor: int, at: int, how: int) -> int:
        asked.append(at)
        return seek(descriptor, at, how)

    monkeypatch.setattr(os, "lseek", counted)
    runs = DataRuns(scattered, 5 * MIB)
    assert sum(end - first for at in range(0, 5 * MIB, 4096) for first, end in runs.within(at, at + 4096)) == 4 * HOLE
    assert len(asked) <= 10


@pytest.mark.parametrize("most", [1, 5000, 1 << 30])
def test_pieces_are_written_whole_however_much_the_kernel_takes(
    tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwritev

    def some(descriptor: int, blocks: list[memoryview], at: int) -> int:
        return write(descriptor, [memoryview(b"".join(blocks)[:most])], at)

    monkeypatch.setattr(os, "pwritev", some)
    pieces = [(0, b"a" * HOLE), (HOLE, bytes(HOLE) + b"b" * 700), (2 * HOLE + 700, b"c" * 10), (9 * HOLE, b"d")]
    path = tmp_path / "file"
    with path.open("wb") as file:
        write_pieces(file.fileno(), pieces)
    wanted = bytearray(9 * HOLE + 1)
    for at, block in pieces:
        wanted[at : at + len(block)] = block
    assert path.read_bytes() == wanted
