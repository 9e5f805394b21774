"""Runs in tables, found by large numbers, are those that a walk finds."""

from array import array
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from stillage.formats.tables.runs import runs

STEP = 65536


def walked(entries: "array[int]", step: int) -> list[tuple[int, int]]:
    """The runs, found entry by entry."""
    found: list[list[int]] = []
    difference = None
    for number, entry in enumerate(entries):
        if found and number:
            this = entry - entries[number - 1]
            if this == difference or (difference is None and this in (0, step)):
                difference = this
                found[-1][1] += 1
                continue
        found.append([number, 1])
        difference = None
    return [(position, count) for position, count in found]


def joined(kind: str, parts: list[tuple[int, int, int]]) -> "array[int]":
    entries = array(kind)
    for start, step, count in parts:
        entries.extend([(start + step * number) % (1 << 8 * entries.itemsize) for number in range(count)])
    return entries


PARTS = st.tuples(
    st.one_of(st.integers(0, 3), st.integers(0, 1 << 31), st.integers((1 << 32) - 70, (1 << 32) - 1)),
    st.sampled_from([0, 1, STEP, STEP + 1]),
    st.integers(0, 200),
)


@given(st.sampled_from("IQ"), st.lists(PARTS, max_size=4), st.sampled_from([1, STEP]))
@example("I", [((1 << 32) - 20, 1, 64)], 1)  # the entries overflow
def test_runs_are_those_that_a_walk_finds(kind: str, parts: list[tuple[int, int, int]], step: int) -> None:
    entries = joined(kind, parts)
    found = list(runs(entries, step))
    assert found == walked(entries, step)
    assert all(position + count == after for (position, count), (after, _) in pairwise(found))


def test_a_whole_table_is_one_run() -> None:
    assert list(runs(joined("Q", [(STEP, STEP, 16384)]), STEP)) == [(0, 16384)]
    assert list(runs(joined("I", [(0, 0, 1000), (5, 1, 1000), (9, 0, 3)]), 1)) == [(0, 1000), (1000, 1000), (2000, 3)]
