"""Where a file gets holes does not depend on how the bytes are cut."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.holes import HOLE, data_runs, write_data

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
