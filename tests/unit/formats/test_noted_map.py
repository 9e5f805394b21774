"""The note of where a raw disk holds data, made while its bytes pass."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.formats import noted_map
from stillage.formats.block_map import BLOCK, BlockMap
from stillage.formats.noted_map import NotedMap, noted_data

ZERO, DATA = bytes(BLOCK), b"\0" * (BLOCK - 1) + b"\1"


def note(data: bytes, cuts: list[int]) -> bytes:
    noted = NotedMap()
    for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]):
        noted.feed(data[start:end])
    return noted.pack()


@given(
    flags=st.lists(st.booleans(), max_size=12),
    cuts=st.lists(st.integers(0, 12 * BLOCK), max_size=6),
    rest=st.sampled_from((b"", b"\0" * 700, b"\1")),
)
def test_a_note_says_which_pieces_hold_data_however_they_came(flags: list[bool], cuts: list[int], rest: bytes) -> None:
    data = b"".join(DATA if held else ZERO for held in flags) + rest
    noted = BlockMap(len(data), noted_data(note(data, cuts)))
    expected = [*flags, *([rest.strip(b"\0") != b""] if rest else [])]
    assert [noted.holds(block) for block in range(noted.blocks)] == expected


def test_a_large_number_takes_several_bytes() -> None:
    noted = NotedMap()
    noted.feed(ZERO * 300 + DATA * 200)
    assert noted.pack() == bytes((300 & 0x7F | 0x80, 300 >> 7, 200 & 0x7F | 0x80, 200 >> 7))
    assert list(noted_data(noted.pack())) == [(300 * BLOCK, 200 * BLOCK)]


def test_the_note_of_a_scattered_disk_stays_small_and_leaves_no_data_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noted_map, "MOST_NOTED", 8)
    packed = note((DATA + ZERO + ZERO) * 40, [])
    assert len(packed) <= 32
    noted = BlockMap(120 * BLOCK, noted_data(packed))
    assert all(noted.holds(block) for block in range(0, 120, 3))
