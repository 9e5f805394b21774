"""Reads the disk of a QED image. Source: QEMU docs/interop/qed_spec, "Tables"."""

from collections.abc import Iterator
from functools import partial

from stillage.formats.base import Steps, Stream
from stillage.formats.disk import Charting, Extent, tolerating
from stillage.formats.qed.inspect import DIRTY, LAYOUT, Header, data_offset, read_header
from stillage.formats.tables.clusters import check_aligned
from stillage.formats.tables.entries import little_endian_64
from stillage.formats.tables.levels import Levels
from stillage.formats.tables.runs import place


def chart(_stream: Stream) -> "Steps[QedDisk]":
    header = yield from tolerating([DIRTY], read_header())
    check_aligned(LAYOUT, header.cluster_size, 40, header.l1_offset, "the L1 table")
    return QedDisk(header)


class QedDisk:
    """The disk that the L1 table of an image maps. Nothing of it is compressed."""

    unit = 1
    in_order = False

    def __init__(self, header: Header) -> None:
        self.size = header.size
        self._cluster_size = header.cluster_size
        self._data_offset = partial(data_offset, header)
        entries = header.table_size * header.cluster_size // 8
        self._levels = Levels(
            header.cluster_size,
            header.l1_offset,
            entries,
            8,
            little_endian_64,
            lambda _at, entry: entry,
            self._clusters,
            LAYOUT,
        )

    def extents(self, first: int, length: int) -> Charting:
        return self._levels.extents(first, length)

    def _clusters(self, at: int, piece_at: int, piece: bytes) -> Iterator[Extent]:
        size = self._cluster_size
        entries = little_endian_64(piece)
        clusters = range(at, at + len(entries) * size, size)
        return place(entries, size, clusters, range(piece_at, piece_at + len(piece), 8), self._data_offset)
