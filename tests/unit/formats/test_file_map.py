"""What the bytes of a file are: counted in equal parts, whatever the disk's order in it."""

from hypothesis import given
from hypothesis import strategies as st

from stillage.formats.codecs.zlib_stream import Zlib
from stillage.formats.disk import Extent, Packed, Stored, Zeros
from stillage.formats.file_map import file_map_of, file_map_of_raw, reduced


def test_each_part_says_what_it_is_in_whatever_order_the_disk_is_stored() -> None:
    extents: list[Extent] = [
        Stored(0, 100, 300),
        Zeros(100, 100),
        Packed(200, 100, 150, 25, Zlib(-15, must_end=True)),
        Stored(300, 50, 100),
    ]
    found = file_map_of(extents, 400, 4)
    assert (found.data, found.compressed, found.holes) == ([0, 0.5, 0, 1], [0, 0.25, 0, 0], [0, 0, 0, 0])


def test_a_file_that_is_the_disk_has_holes_and_perhaps_more_at_its_end() -> None:
    found = file_map_of_raw([(0, 50), (200, 100)], 300, 400, 4)
    assert (found.data, found.holes) == ([0.5, 0, 1, 0], [0.5, 1, 0, 0])


def test_fewer_parts_are_means_of_more() -> None:
    found = file_map_of([Stored(0, 100, 300)], 400, 4)
    assert reduced(found, 2).data == [0, 0.5]
    assert reduced(found, 9).data == [0, 0, 0, 1]


@given(
    st.integers(0, 5000),
    st.integers(1, 64),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 6000)), max_size=20),
)
def test_no_part_is_more_than_whole_wherever_extents_lie(size: int, count: int, places: list[tuple[int, int]]) -> None:
    found = file_map_of([Stored(0, length, offset) for offset, length in places], size, count)
    assert len(found.data) == max(1, min(count, size))
    assert all(0 <= share <= 1 for share in found.data)
