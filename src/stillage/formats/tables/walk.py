"""Tables of 64-bit entries that lie anywhere in a file, read in the order in which they lie there."""

import heapq
from collections.abc import Callable, Iterator

from stillage.formats.base import Inspection, Steps
from stillage.formats.tables.bounds import read_whole
from stillage.formats.tables.clusters import Layout

PIECE = 1 << 17
ZEROS = bytes(PIECE)

Visit = Callable[[], Inspection]


class Walk:
    """Visits tables in ascending order while the stream passes, and those that were named too late at the end.

    There are two kinds of visits: those added here, few, which may add others and take tables; and the unread tables
    of the layout, many, which take data only.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._position = 0
        self._added = 0
        self._ahead: list[tuple[int, int, Visit]] = []
        self._behind: list[Visit] = []

    def add(self, offset: int, visit: Visit) -> None:
        """Have *visit* called when the stream comes to *offset*, or at the end if it has passed."""
        if offset < self._position:
            self._behind.append(visit)
            return
        self._added += 1  # keeps the heap from comparing functions
        heapq.heappush(self._ahead, (offset, self._added, visit))

    def read(self, offset: int, length: int, what: str) -> Steps[bytes]:
        """Return exactly *length* bytes of *what*."""
        data = yield from read_whole(self._layout.rules.out_of_bounds, offset, length, what)
        self._position = max(self._position, offset + length)
        return data

    def pieces(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield offset and length of the pieces in which a table of *length* bytes is read."""
        for start in range(offset, offset + length, PIECE):
            yield start, min(PIECE, offset + length - start)

    def run(self, visit_table: Callable[[int], Inspection]) -> Inspection:
        """Visit everything; *visit_table* is called with the offset of each unread table of the layout."""
        yield from self._forward(visit_table)
        # What follows is read from the stored bytes, where the order does not matter. Visits that name tables come
        # first, so that one more round over the tables suffices.
        while self._behind or self._ahead:
            visit = self._behind.pop() if self._behind else heapq.heappop(self._ahead)[2]
            yield from visit()
        self._position = 0
        yield from self._forward(visit_table)

    def _forward(self, visit_table: Callable[[int], Inspection]) -> Inspection:
        while True:
            # Looking no further than the next visit keeps this linear: what was looked through is behind us then.
            limit = self._ahead[0][0] if self._ahead else None
            table = self._layout.next_unread(self._position, limit)
            if table is not None:
                self._layout.mark_read(table)
                yield from visit_table(table)
            elif limit is not None:
                self._position = max(self._position, limit)
                yield from heapq.heappop(self._ahead)[2]()
            else:
                return
