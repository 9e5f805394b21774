"""What the bytes of an image's file are: data of the disk, compressed data, holes, and the format's own structure.

Source: the charts of `formats.disk`; what no part of the disk is stored in is structure.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from stillage.formats.disk import Extent, Packed, Stored

CELLS = 4096
"""Parts of a file that are counted."""


class FileMap(NamedTuple):
    """How much of each of equal parts of a file is what, from 0 to 1; the rest of a part is structure.

    Attributes:
        size: Bytes of the file.
        holes: Zeros of a disk that is stored as it is.
    """

    size: int
    data: Sequence[float]
    compressed: Sequence[float]
    holes: Sequence[float]


class _Parts:
    """Counts bytes in equal parts of a file."""

    def __init__(self, size: int, count: int) -> None:
        self._edges = [size * number // count for number in range(count + 1)]
        self._width = size / count
        self._bytes = [0] * count

    def add(self, first: int, end: int) -> None:
        first, end = max(0, first), min(end, self._edges[-1])
        number = min(int(first / self._width), len(self._bytes) - 1) if first < end else 0
        while first < end:
            while self._edges[number + 1] <= first:
                number += 1
            until = min(end, self._edges[number + 1])
            self._bytes[number] += until - first
            first = until

    def shares(self) -> list[float]:
        widths = (end - first for first, end in pairwise(self._edges))
        return [min(1.0, count / width) if width else 0.0 for count, width in zip(self._bytes, widths, strict=True)]


def file_map_of(extents: Iterable[Extent], size: int, count: int = CELLS) -> FileMap:
    """Return the map of a file of *size* bytes, in *count* parts, fewer if it has fewer bytes.

    A compressed unit may end before the most that it takes, so parts with many of them are rounded up.
    """
    count = max(1, min(count, size))
    data, compressed = _Parts(size, count), _Parts(size, count)
    for extent in extents:
        if isinstance(extent, Stored):
            data.add(extent.offset, extent.offset + extent.length)
        elif isinstance(extent, Packed):
            compressed.add(extent.offset, extent.offset + extent.most)
    shares = data.shares()
    packed = [min(share, 1 - other) for share, other in zip(compressed.shares(), shares, strict=True)]
    return FileMap(size, shares, packed, [0.0] * count)


def file_map_of_raw(data: Iterable[tuple[int, int]], disk: int, size: int, count: int = CELLS) -> FileMap:
    """Return the map of a file that begins with its disk, of *disk* bytes. *data*: where that holds data."""
    count = max(1, min(count, size))
    there, whole = _Parts(size, count), _Parts(size, count)
    whole.add(0, disk)
    for first, length in data:
        there.add(first, min(first + length, disk))
    shares = there.shares()
    holes = [max(0.0, share - other) for share, other in zip(whole.shares(), shares, strict=True)]
    return FileMap(size, shares, [0.0] * count, holes)


def reduced(found: FileMap, count: int) -> FileMap:
    """Return the map in no more than *count* parts: each the mean of those that it covers."""
    have = len(found.data)
    count = max(1, min(count, have))
    edges = [have * number // count for number in range(count + 1)]

    def means(shares: Sequence[float]) -> list[float]:
        parts = (shares[first:end] for first, end in pairwise(edges))
        return [round(sum(part) / len(part), 4) for part in parts]

    return FileMap(found.size, means(found.data), means(found.compressed), means(found.holes))
