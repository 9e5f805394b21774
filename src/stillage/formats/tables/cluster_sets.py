"""Sets of clusters in bounded memory: a bitmap in pages for the many of guest data, sorted arrays for tables.

A page whose clusters are all taken costs nothing.
"""

from array import array
from bisect import bisect_left, insort

PAGE_BITS = 16
PAGE = 1 << PAGE_BITS  # clusters
TABLE_PAGE_BYTES = 176  # what the dictionary, the key and an array take together
FULL = bytearray(b"\xff" * (PAGE // 8))
UNREAD, SHAREABLE = 1, 2  # what is remembered of a table, beside its place
FLAG_BITS = 2


class Bitmap:
    """A set of clusters, which forgets what does not fit into *max_pages* that are not full.

    Attributes:
        lost: True once something could not be remembered.
    """

    def __init__(self, max_pages: int, *, keep_full: bool = False) -> None:
        self.lost = False
        self._max_pages = max_pages
        self._keep_full = keep_full
        self._pages: dict[int, bytearray] = {}
        self._missing: dict[int, int] = {}  # clusters until a page is full; only for pages that are not

    def forgets(self, cluster: int) -> bool:
        return self.lost and cluster >> PAGE_BITS not in self._pages

    def first_taken(self, first: int, count: int, *, besides: "Bitmap | None" = None) -> int | None:
        """Return the first of *count* clusters from *first* on that is in here, and not in *besides*; None if none."""
        end = first + count
        while first < end:
            number, low = first >> PAGE_BITS, first & (PAGE - 1)
            here = min(end - first, PAGE - low)
            bits = self._bits(number, low, here)
            if bits and besides is not None:
                bits &= ~besides._bits(number, low, here)  # noqa: SLF001 - the same class
            if bits:
                return first + (bits & -bits).bit_length() - 1
            first += here
        return None

    def take(self, first: int, count: int) -> None:
        end = first + count
        while first < end:
            number, low = first >> PAGE_BITS, first & (PAGE - 1)
            here = min(end - first, PAGE - low)
            self._take_in_page(number, low, here)
            first += here

    def _take_in_page(self, number: int, low: int, count: int) -> None:
        page = self._pages.get(number)
        if page is FULL:
            return
        if page is None:
            if len(self._missing) >= self._max_pages:
                self.lost = True
                return
            page = self._pages[number] = bytearray(PAGE // 8)
            self._missing[number] = PAGE
        start, end = low >> 3, (low + count + 7) >> 3
        before = int.from_bytes(page[start:end], "little")
        after = before | ((1 << count) - 1) << (low & 7)
        page[start:end] = after.to_bytes(end - start, "little")
        self._missing[number] -= (before ^ after).bit_count()
        if not self._missing[number] and not self._keep_full:
            self._pages[number] = FULL
            del self._missing[number]

    def _bits(self, number: int, low: int, count: int) -> int:
        page = self._pages.get(number)
        if page is None:
            return 0
        if page is FULL:
            return (1 << count) - 1
        covering = int.from_bytes(page[low >> 3 : (low + count + 7) >> 3], "little")
        return covering >> (low & 7) & ((1 << count) - 1)


class TableSet:
    """The clusters at which tables start, sorted, four bytes each."""

    def __init__(self) -> None:
        self._pages: dict[int, array[int]] = {}
        self._numbers: list[int] = []
        self._count = 0

    @property
    def size(self) -> int:
        """About how many bytes this takes."""
        return self._count * 4 + len(self._pages) * TABLE_PAGE_BYTES

    def add(self, cluster: int, flags: int) -> None:
        number = cluster >> PAGE_BITS
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = array("I")
            insort(self._numbers, number)
        insort(page, (cluster & (PAGE - 1)) << FLAG_BITS | flags)
        self._count += 1

    def find(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the lowest table that starts in *first* … *last* and its flags, None if there is none."""
        at = bisect_left(self._numbers, first >> PAGE_BITS)
        while at < len(self._numbers) and (number := self._numbers[at]) <= last >> PAGE_BITS:
            page = self._pages[number]
            base = number << PAGE_BITS
            index = bisect_left(page, max(first - base, 0) << FLAG_BITS)
            if index < len(page):
                cluster = base + (page[index] >> FLAG_BITS)
                return (cluster, page[index] & (UNREAD | SHAREABLE)) if cluster <= last else None
            at += 1
        return None

    def mark_read(self, cluster: int) -> None:
        page = self._pages[cluster >> PAGE_BITS]
        index = bisect_left(page, (cluster & (PAGE - 1)) << FLAG_BITS)
        page[index] &= ~UNREAD
