"""How an object is cut into parts, and which objects have the bytes of an unfinished image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.errors import StorageFull
from stillage.images.upload import Kept
from stillage.s3_limits import MOST_PARTS
from stillage.spans import Span
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.parts import Parts
from stillage.stores.s3.pieces import first_of, joined, new_name, pieces_of, within_object
from stillage.stores.s3.settings import MIB

GIB = 1 << 30
OFFSETS = st.integers(0, 2 << 40)
PARTS = st.builds(Parts.of, st.sampled_from([5 * MIB, 8 * MIB]), st.sampled_from([None, 1, 3 * GIB, 3 << 40]))


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 8), (70 * GIB, 8), (71 * GIB, 16), (128 * GIB, 16), (1 << 40, 120), (48 << 40, 5600)]
)
def test_parts_are_as_small_as_10000_of_them_allow(size: int, expected: int) -> None:
    parts = Parts.of(8 * MIB, size)
    assert parts.span(0).length == expected * MIB
    assert parts.index(size - 1) < MOST_PARTS * 0.9 + 1


def test_parts_of_an_unknown_size_grow() -> None:
    parts = Parts.of(8 * MIB, None)
    assert [parts.span(index).length // MIB for index in (0, 999, 1000, 1999, 2000, 9999)] == [8, 8, 64, 64, 256, 256]
    assert parts.span(9999).end > 2 << 40


def test_equal_parts_stay_equal() -> None:
    parts = Parts.of(8 * MIB, None, equal=True)
    assert parts.span(9999).length == 8 * MIB
    with pytest.raises(StorageFull, match="10,000 parts"):
        parts.index(10_000 * 8 * MIB)
    with pytest.raises(StorageFull, match="declare the size"):
        parts.span(10_000)


@given(PARTS, OFFSETS)
def test_a_part_contains_the_offsets_that_have_its_index(parts: Parts, offset: int) -> None:
    offset %= parts.span(MOST_PARTS - 1).end
    index = parts.index(offset)
    span = parts.span(index)
    assert span.first <= offset < span.end
    assert index == 0 or parts.span(index - 1).end == span.first


def test_what_no_object_has_is_zeros_and_neighbours_of_one_name_are_one() -> None:
    kept = [Kept(Span(2, 4), "a"), Kept(Span(4, 6), "a"), Kept(Span(6, 7), "b"), Kept(Span(9, 10), "a")]
    assert [part.span for part in joined(kept)] == [(2, 6), (6, 7), (9, 10)]
    pieces = [(*span, name) for span, name in pieces_of(Span(0, 12), kept)]
    assert pieces == [(0, 2, None), (2, 6, "a"), (6, 7, "b"), (7, 9, None), (9, 10, "a"), (10, 12, None)]
    assert list(pieces_of(Span(0, 5), [])) == [(Span(0, 5), None)]


@given(OFFSETS)
def test_a_name_tells_where_its_bytes_begin(first: int) -> None:
    name = new_name(first)
    assert first_of(name) == first
    assert len(name) <= 64
    assert within_object(Span(first + 3, first + 5), name) == (3, 5)


@given(st.lists(st.binary(max_size=5)))
def test_blocks_are_read_like_a_file_as_often_as_it_takes(blocks: list[bytes]) -> None:
    body = Blocks([block for block in blocks if block])
    for _ in range(2):
        assert body.tell() == 0
        assert b"".join(iter(body.read, b"")) == b"".join(blocks)
        assert body.tell() == len(body) == body.seek(0, 2)
        body.seek(0)
