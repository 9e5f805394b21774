"""Whether clusters of a QCOW, QCOW2 or QED file overlap: which are taken, and by what, in bounded memory.

QCOW, QCOW2 and QED divide the file into clusters. A cluster belongs to a table or to the guest; one that belongs to
both lets the guest rewrite the map of its own disk, and one that is mapped twice makes a small file a large disk.

Tables are few and scattered: they are kept one by one, sorted. Guest data is plenty and lies mostly in order: it is
kept as a bitmap in pages, and a page whose clusters are all taken costs nothing. Data scattered over more pages than
`MAX_PAGES` is still compared with every table, and no longer with other data; a table that is named after that is
refused, because nobody can tell any more what it overlaps.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stillage.formats.base import Inspection, MalformedImage, Rule, Stream, Tail
from stillage.formats.tables.cluster_sets import SHAREABLE, UNREAD, Bitmap, TableSet

MAX_PAGES = 192  # of 8 KiB
MAX_PACKED_PAGES = 64
MAX_TABLE_BYTES = 7 << 19
EVERYWHERE = 1 << 64


@dataclass(frozen=True, slots=True)
class LayoutRules:
    """The rules that a layout can break, one set for each format."""

    misaligned: Rule
    out_of_bounds: Rule
    overlap: Rule
    too_fine: Rule

    @classmethod
    def of(cls, format_name: str, fix: str) -> "LayoutRules":
        name = format_name.upper()
        return cls(
            Rule(
                f"{format_name}.misaligned",
                f"A {name} table or cluster does not start at a cluster boundary, so programs disagree on where it is.",
            ),
            Rule(
                f"{format_name}.out-of-bounds",
                f"A {name} table refers to bytes beyond the end of the file: the file is cut short or the table lies.",
            ),
            Rule(
                f"{format_name}.overlap",
                f"Two {name} structures use the same bytes, so that the guest could rewrite the map of its own disk.",
                f"qemu-img check -r all IN && {fix}",
            ),
            Rule(
                f"{format_name}.too-fine",
                f"The {name} image has so many scattered tables that they cannot be checked while it streams.",
                fix,
            ),
        )

    @property
    def all(self) -> tuple[Rule, ...]:
        return (self.misaligned, self.out_of_bounds, self.overlap, self.too_fine)


def check_aligned(rules: LayoutRules, cluster_size: int, at: int, offset: int, name: str) -> None:
    """Raise `MalformedImage` if *name*, which the field at byte *at* places, does not begin with a cluster."""
    if offset % cluster_size:
        message = f"{name} starts at byte {offset}, which is not a multiple of the cluster size {cluster_size}"
        raise MalformedImage(rules.misaligned, at, message)


class Layout:
    """What is taken of one file. Whatever is taken must lie within the file, and must not be taken already.

    Args:
        stream: Its size is the end of the file, once known.
        cluster_size: Bytes, a power of two.
        rules: What to report.
        table_clusters: Clusters that one table of `take_table` takes.
        last_cluster: Bytes of a data cluster that must be there: a writer need not fill the disk's last one.
    """

    def __init__(
        self,
        stream: Stream,
        cluster_size: int,
        rules: LayoutRules,
        *,
        table_clusters: int = 1,
        last_cluster: int | None = None,
    ) -> None:
        self.cluster_size = cluster_size
        self.rules = rules
        self.shared_data = False
        self._stream = stream
        self._table_clusters = table_clusters
        self._last_cluster = cluster_size if last_cluster is None else last_cluster
        self._ranges: list[tuple[int, int, str]] = []
        self._tables = TableSet()
        self._data = Bitmap(MAX_PAGES)
        self._packed = Bitmap(MAX_PACKED_PAGES, keep_full=True)
        self._furthest: tuple[int, int, str] = (0, 0, "")

    def share_data(self) -> None:
        """From now on several tables may map the same data, and several maps the same tables: snapshots do."""
        self.shared_data = True

    def require(self, at: int, end: int, what: str) -> None:
        """Report *what*, which the field at *at* places, if it ends behind the end of the file."""
        size = self._stream.size
        if size is not None and end > size:
            raise MalformedImage(
                self.rules.out_of_bounds, at, f"{what} needs {end} bytes of file; the file has {size}, is it cut short?"
            )
        if end > self._furthest[0]:
            self._furthest = (end, at, what)

    def finish(self) -> Inspection:
        """Wait for the end of the stream; refuse the image if something that was taken lies behind it."""
        yield Tail(0)
        end, at, what = self._furthest
        self.require(at, end, what)

    def take_range(self, at: int, offset: int, length: int, name: str, *, aligned: bool = True) -> None:
        """Take the clusters of one of the few named structures. The field at *at* places it."""
        if aligned:
            check_aligned(self.rules, self.cluster_size, at, offset, name)
        self.require(at, offset + length, name)
        first = offset // self.cluster_size
        end = -(-(offset + length) // self.cluster_size)
        self.take_clusters(at, first, end - first, name)

    def take_clusters(self, at: int, first: int, count: int, name: str) -> None:
        if count <= 0:
            return
        self._refuse_overlap(at, first, count, name)
        insort(self._ranges, (first, first + count, name))
        self._data.take(first, count)

    def take_table(self, at: int, offset: int, name: str, *, unread: bool) -> None:
        """Take the place of one of the many tables; with *unread*, `next_unread` will return it."""
        check_aligned(self.rules, self.cluster_size, at, offset, name)
        self.require(at, offset + self._table_clusters * self.cluster_size, name)
        cluster = offset // self.cluster_size
        taken = self._tables.find(cluster, cluster)
        if self.shared_data and unread and taken is not None and taken[1] & SHAREABLE:
            return
        self._refuse_overlap(at, cluster, self._table_clusters, name)
        if self._data.forgets(cluster) or self._tables.size > MAX_TABLE_BYTES:
            raise MalformedImage(
                self.rules.too_fine,
                at,
                f"{name} at byte {offset} is one table too many for a check in passing; larger clusters need fewer",
            )
        self._tables.add(cluster, UNREAD | SHAREABLE if unread else 0)

    def next_unread(self, offset: int, limit: int | None) -> int | None:
        """Return where the first table from *offset* on starts that was not read yet; None if none before *limit*."""
        cluster = -(-offset // self.cluster_size)
        last = EVERYWHERE if limit is None else (limit - 1) // self.cluster_size
        while (table := self._tables.find(cluster, last)) is not None:
            cluster, flags = table
            # All that lies before the reader is in the bitmap as well, so that its pages can become full.
            self._data.take(cluster, self._table_clusters)
            if flags & UNREAD:
                return cluster * self.cluster_size
            cluster += 1
        return None

    def mark_read(self, offset: int) -> None:
        self._tables.mark_read(offset // self.cluster_size)

    def take_data(self, at: int, offsets: Sequence[int], entry_size: int = 8) -> None:
        """Take the data clusters at *offsets*, in the order of the table's entries, the first of which is at *at*.

        Zero stands for an entry that maps nothing. The offsets are aligned.
        """
        highest = max(offsets, default=0)
        if not highest:
            return
        named_at = at + offsets.index(highest) * entry_size
        self.require(named_at, highest + self._last_cluster, f"guest data at byte {highest}")
        for start, end in self._runs(offsets):
            self._take_run(at, offsets, entry_size, start, end)

    def _runs(self, offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield start and end of clusters that follow one another, in the file and in the table."""
        size = self.cluster_size
        start = end = 0
        for offset in filter(None, offsets):
            if offset == end:
                end += size
                continue
            if end:
                yield start, end
            start, end = offset, offset + size
        yield start, end

    def _take_run(self, at: int, offsets: Sequence[int], entry_size: int, start: int, end: int) -> None:
        first, count = start // self.cluster_size, (end - start) // self.cluster_size
        taken = self._find_taken(first, count)
        if taken is None:
            self._data.take(first, count)
            return
        cluster, owner = taken
        offset = cluster * self.cluster_size
        index = offsets.index(offset) if offset in offsets else 0
        raise self._overlap(at + index * entry_size, "guest data", offset, owner)

    def take_compressed(self, at: int, start: int, end: int) -> None:
        """Take bytes of compressed data: they share clusters with other compressed data, and with nothing else."""
        first = start // self.cluster_size
        count = (end - 1) // self.cluster_size - first + 1
        taken = self._find_table(first, count)
        if taken is None and not self._packed.lost and not self.shared_data:
            cluster = self._data.first_taken(first, count, besides=self._packed)
            taken = None if cluster is None else (cluster, "other guest data")
        if taken is not None:
            raise self._overlap(at, "compressed guest data", taken[0] * self.cluster_size, taken[1])
        self._data.take(first, count)
        self._packed.take(first, count)

    def _refuse_overlap(self, at: int, first: int, count: int, name: str) -> None:
        taken = self._find_taken(first, count, with_data=True)
        if taken is not None:
            raise self._overlap(at, name, taken[0] * self.cluster_size, taken[1])

    def _overlap(self, at: int, name: str, offset: int, owner: str) -> MalformedImage:
        return MalformedImage(self.rules.overlap, at, f"{name} is placed at byte {offset}, where {owner} is already")

    def _find_taken(self, first: int, count: int, *, with_data: bool = False) -> tuple[int, str] | None:
        table = self._find_table(first, count)
        if table is not None or (self.shared_data and not with_data):
            return table
        cluster = self._data.first_taken(first, count)
        return None if cluster is None else (cluster, "guest data")

    def _find_table(self, first: int, count: int) -> tuple[int, str] | None:
        end = first + count
        index = bisect_left(self._ranges, (end,))
        if index and self._ranges[index - 1][1] > first:
            start, _, name = self._ranges[index - 1]
            return max(start, first), name
        table = self._tables.find(max(0, first - self._table_clusters + 1), end - 1)
        return None if table is None else (max(table[0], first), "another table")
