"""Where a file gets holes does not depend on how the bytes are cut."""

import os
import random
from pathlib import Path

import pytest

from stillage.holes import write_data

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
