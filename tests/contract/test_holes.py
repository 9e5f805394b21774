"""Where a file gets holes does not depend on how the bytes are cut."""

import os
import random
from pathlib import Path

import pytest

from stillage.holes import write_data

MIB = 1 << 20
DATA = random.Random(5).randbytes(MIB) + bytes(8 * MIB) + random.Random(6).randbytes(MIB + 321)


@pytest.mark.parametrize("cut", [7_001, 65_535, 65_536, 100_000, MIB, len(DATA)])
def test_zeros_stay_holes_however_they_are_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "part"
    with path.open("wb") as file:
        os.ftruncate(file.fileno(), len(DATA))
        for at in range(0, len(DATA), cut):
            write_data(file.fileno(), DATA[at : at + cut], at)
    assert path.read_bytes() == DATA
    assert path.stat().st_blocks * 512 < 3 * MIB
