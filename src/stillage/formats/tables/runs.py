"""Finds runs in tables: entries that ascend by one step, as those of a disk do that was written in order.

A table has millions of entries and few runs as a rule, so a run is not walked: its bytes are compared with those that
it would have, which a multiplication of large numbers makes.
"""

import sys
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache

from stillage.formats.disk import Stored, Zeros

SHORT = 16
"""Entries that are compared one by one before more of a run is guessed."""


def runs(entries: "array[int]", step: int) -> Iterator[tuple[int, int]]:
    """Yield position and count of the runs that make up *entries*.

    In a run every entry is *step* more than the one before it, or every entry is the same.
    """
    position = 0
    while position < len(entries):
        count = 1
        if position + 1 < len(entries):
            difference = entries[position + 1] - entries[position]
            if difference in (0, step):
                count = _count(entries, position, difference)
        yield position, count
        position += count


def _count(entries: "array[int]", first: int, step: int) -> int:
    """How many entries from *first* on ascend by *step*."""
    end = len(entries)
    position = _compared(entries, first, step, min(first + SHORT, end))
    if position < first + SHORT:
        return position - first
    size, grows = SHORT, True
    while size >= SHORT:
        if position + size <= end and _is_run(entries, position, entries[position - 1] + step, step, size):
            position += size
            size *= 2 if grows else 1
        else:
            grows = False
            size //= 2
    return _compared(entries, position - 1, step, min(position + SHORT, end)) - first


def _compared(entries: "array[int]", first: int, step: int, end: int) -> int:
    position, expected = first + 1, entries[first] + step
    while position < end and entries[position] == expected:
        position += 1
        expected += step
    return position


def _is_run(entries: "array[int]", position: int, start: int, step: int, count: int) -> bool:
    width = entries.itemsize
    if (start + step * (count - 1)) >> 8 * width:
        return False
    ones, ramp = _ones_and_ramp(width, count)
    expected = (start * ones + step * ramp).to_bytes(count * width, sys.byteorder)
    return expected == entries[position : position + count].tobytes()


@lru_cache(maxsize=64)
def _ones_and_ramp(width: int, count: int) -> tuple[int, int]:
    """Two numbers whose *count* digits, of *width* bytes each, are all 1, and those from 0 on."""
    ones = (1).to_bytes(width, sys.byteorder) * count
    ramp = b"".join([number.to_bytes(width, sys.byteorder) for number in range(count)])
    return int.from_bytes(ones, sys.byteorder), int.from_bytes(ramp, sys.byteorder)


def place(
    entries: "array[int]", step: int, cells: range, places: range, offset_of: Callable[[int, int], int]
) -> Iterator[Stored | Zeros]:
    """Yield where the cells of the disk are that *entries* stand for, a run at a time.

    Args:
        entries: As they stand in the table.
        step: By how much they ascend where cells follow one another in the file.
        cells: Where on the disk each cell begins.
        places: Where in the file each entry stands.
        offset_of: Takes an entry's place and the entry; checks it and returns where its cell is in the file, zero if
            it is zeros. Of a run it is asked about the first and the last entry only: what lies between can have no
            bits that neither of them has.
    """
    at, size = cells.start, cells.step
    for position, count in runs(entries, step):
        offset, begin = offset_of(places[position], entries[position]), at + position * size
        if count == 1:
            yield Stored(begin, size, offset) if offset else Zeros(begin, size)
            continue
        last = position + count - 1
        last_offset = offset_of(places[last], entries[last])
        if offset and last_offset - offset == (count - 1) * size:
            yield Stored(begin, count * size, offset)
        elif not offset and not last_offset:
            yield Zeros(begin, count * size)
        else:
            # A damaged table: many cells of the disk are one in the file, or a run begins with what is none.
            for number in range(position, last + 1):
                offset = offset_of(places[number], entries[number])
                yield Stored(cells[number], size, offset) if offset else Zeros(cells[number], size)
