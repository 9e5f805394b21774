"""Reads the disk inside an image, anywhere: its bytes, and where in the file they are stored, packed, or zeros.

    disk = open_disk(qcow2, read_at, size)       # a format's `read` module; `readers.READERS` lists them
    reader = DiskReader(disk, read_at)
    reader.read(0, 512)                          # the guest's first sector
    for extent in reader.extents(): ...

Synchronous and without files: whoever owns the thread and the file calls it, and several threads may at once.
"""

from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from stillage.formats.base import LONGEST, MAX_REGION, MalformedImage, NotThisFormat, ReadAt, Region, Rule, Stream, Tail
from stillage.formats.codecs.zlib_stream import Broken
from stillage.formats.disk import MAX_UNIT, Chain, Disk, Extent, Packed, Readable, Stored, Zeros

OTHER_FORMAT = Rule("disk.other-format", "The file does not begin as an image of the format that it is read as.")
TRUNCATED = Rule("disk.truncated", "The file ends before data that its tables refer to.")
BROKEN_UNIT = Rule("disk.broken-unit", "A compressed part does not expand to exactly the bytes that it stands for.")
LARGE_UNIT = Rule("disk.large-unit", "The disk is compressed in larger parts than are expanded in memory.")
BEYOND = Rule("disk.beyond-any-file", "The image refers to bytes beyond the end of any possible file.")
RULES = (OTHER_FORMAT, TRUNCATED, BROKEN_UNIT, LARGE_UNIT, BEYOND)
"""What may break the reading of an image. Uploads are refused under the rules of `registry.rules`."""

PAGE = 4096
KEPT_PAGES = 512
MAX_KEPT_BYTES = 16 << 20
MAX_GAP = 64 << 10
"""Bytes between two units that are read and dropped rather than read around."""

K = TypeVar("K")
V = TypeVar("V")


def open_disk(module: Readable, read_at: ReadAt, size: int) -> Disk:
    """Return the disk in a file of *size* bytes, as *module* reads it.

    Raises:
        MalformedImage: If it cannot be read.
    """
    steps = module.chart(Stream(size))
    answer = b""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Region):
                answer = _read(read_at, step)
            elif isinstance(step, Tail):
                answer = read_at(max(0, size - step.length), step.length)
            else:
                answer = b""  # facts and hazards: this is no inspection
            step = steps.send(answer)
    except StopIteration as stop:
        return _checked(stop.value)
    except NotThisFormat:
        raise MalformedImage(OTHER_FORMAT, 0, "the file does not begin as an image of this format does") from None


def _checked(disk: Disk) -> Disk:
    if disk.unit > MAX_UNIT:
        message = f"the disk is compressed in units of {disk.unit} bytes; units up to {MAX_UNIT} bytes are read"
        raise MalformedImage(LARGE_UNIT, None, message)
    return disk


def _read(read_at: ReadAt, region: Region) -> bytes:
    if not 0 <= region.length <= MAX_REGION or region.offset < 0:
        raise AssertionError(f"a reader asks for {region}")
    if region.offset + region.length > LONGEST:
        message = f"the image refers to byte {region.offset + region.length - 1}; no file has so many"
        raise MalformedImage(BEYOND, None, message)
    return read_at(region.offset, region.length) if region.length else b""


class Recent:
    """What readers of one disk read and expanded last. Readers of the same file may share it, in several threads."""

    def __init__(self, disk: Disk, kept_units: int = 64) -> None:
        """*kept_units*: expanded units that are kept, fewer where they would take more than `MAX_KEPT_BYTES`."""
        self.pages: _Kept[int, bytes] = _Kept(KEPT_PAGES)
        self.units: _Kept[int, bytes] = _Kept(max(1, min(kept_units, MAX_KEPT_BYTES // disk.unit)))


class DiskReader:
    """Reads *disk* from the file that *read_at* reads, with what was expanded last kept at hand.

    Args:
        disk: As `open_disk` returned it.
        read_at: Of the same file; threads call it at once if they call the reader at once.
        recent: Shared with other readers of the same file; of its own without.

    Attributes:
        expanded: Bytes that were expanded so far.
    """

    def __init__(self, disk: Disk, read_at: ReadAt, *, recent: Recent | None = None) -> None:
        self.disk = disk
        self._read_at = read_at
        self._recent = recent or Recent(disk)
        self.expanded = 0

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self.disk.size

    def extents(self, first: int = 0, length: int | None = None) -> Iterator[Extent]:
        """Yield ascending extents without gaps, which cover *length* bytes from *first* on, up to the disk's end.

        `Stored` and `Zeros` begin and end where that was asked for, and neighbours of the same kind are one extent.
        `Packed` are whole units: the first may begin before *first*, the last may end behind.

        Raises:
            MalformedImage: If a table cannot be read.
        """
        end = self.size if length is None else min(first + length, self.size)
        held: Stored | Zeros | None = None
        for extent in self._charted(first, end):
            if extent.at + extent.length <= first or extent.at >= end:
                continue
            if isinstance(extent, Packed):
                if held is not None:
                    yield held
                    held = None
                fits = extent.at + extent.length <= self.size
                yield extent if fits else extent._replace(length=self.size - extent.at)
                continue
            cut = _cut(extent, first, end)
            joined = cut if held is None else _joined(held, cut)
            if joined is None and held is not None:
                yield held
            held = joined or cut
        if held is not None:
            yield held

    def _charted(self, first: int, end: int) -> Iterator[Extent]:
        if first >= end:
            return
        steps = self.disk.extents(first, end - first)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Region):
                    step = steps.send(self._table(step))
                else:
                    yield step
                    step = next(steps)
        except StopIteration:
            return

    def _table(self, region: Region) -> bytes:
        """The bytes of a piece of a table. Small ones are cut from pages: the next one is often beside it."""
        if region.length > PAGE:
            return _read(self._read_at, region)
        number, inside = divmod(region.offset, PAGE)
        data = self._page(number)[inside : inside + region.length]
        if len(data) < region.length and inside + region.length > PAGE:
            data += self._page(number + 1)[: region.length - len(data)]
        return data

    def _page(self, number: int) -> bytes:
        page = self._recent.pages.find(number)
        if page is None:
            page = _read(self._read_at, Region(number * PAGE, PAGE))
            self._recent.pages.keep(number, page)
        return page

    def read(self, first: int, length: int) -> bytes:
        """Return *length* bytes of the disk from *first* on; fewer at its end, as a `ReadAt` does.

        Raises:
            MalformedImage: If a table, or what it refers to, cannot be read or expanded.
        """
        end = min(first + length, self.size)
        pieces: list[bytes] = []
        batch: list[Packed] = []
        for extent in self.extents(first, end - first):
            if isinstance(extent, Packed):
                batch.append(extent)
                if len(batch) * self.disk.unit >= MAX_UNIT:
                    pieces += self._parts(batch, first, end)
                    batch = []
                continue
            pieces += self._parts(batch, first, end)
            batch = []
            pieces.append(self._stored(extent) if isinstance(extent, Stored) else bytes(extent.length))
        pieces += self._parts(batch, first, end)
        return b"".join(pieces)

    def _stored(self, extent: Stored) -> bytes:
        if extent.offset + extent.length > LONGEST:
            raise MalformedImage(BEYOND, None, f"the image refers to byte {extent.offset}; no file has so many")
        data = self._read_at(extent.offset, extent.length)
        if len(data) < extent.length:
            message = (
                f"guest data ends at byte {extent.offset + extent.length}; the file has {extent.offset + len(data)}"
            )
            raise MalformedImage(TRUNCATED, extent.offset, message)
        return data

    def _parts(self, batch: Sequence[Packed], first: int, end: int) -> list[bytes]:
        """The bytes of *batch* that lie in ``first … end - 1``. Units of which a part is left over are kept."""
        kept = {unit.at: data for unit in batch if (data := self._recent.units.find(unit.at)) is not None}
        missing = [unit for unit in batch if unit.at not in kept]
        kept |= zip([unit.at for unit in missing], self.expand(missing), strict=True)
        parts = []
        for unit in batch:
            part = kept[unit.at]
            if unit.at < first or unit.at + unit.length > end:
                self._recent.units.keep(unit.at, part)
                part = part[max(0, first - unit.at) : end - unit.at]
            parts.append(part)
        return parts

    def expand(self, batch: Sequence[Packed]) -> list[bytes]:
        """Return the `Packed.length` bytes of each unit of *batch*; neighbours in the file are one read.

        Raises:
            MalformedImage: If one does not expand to exactly the bytes of a unit.
        """
        return [self._expanded(unit, packed) for unit, packed in self.packed(batch)]

    def packed(self, batch: Sequence[Packed]) -> Iterator[tuple[Packed, memoryview]]:
        """Yield each unit of *batch* with its bytes in the file; none for one that only a chain expands."""
        for near in _neighbours(batch):
            start = near[0].offset
            end = max(unit.offset + unit.most for unit in near)
            chained = isinstance(near[0].codec, Chain)
            data = memoryview(b"" if chained else _read(self._read_at, Region(start, end - start)))
            for unit in near:
                yield unit, data[unit.offset - start :][: unit.most]

    def _expanded(self, unit: Packed, packed: memoryview) -> bytes:
        codec, size = unit.codec, self.disk.unit
        try:
            if isinstance(codec, Chain):
                data, units = self._follow(codec.expand_unit(unit))
            else:
                data, units = codec.expand(packed, size), 1
        except Broken as broken:
            message = f"the compressed data at byte {unit.offset} cannot be expanded: {broken}"
            raise MalformedImage(BROKEN_UNIT, unit.offset, message) from broken
        # What the disk's end leaves of the last unit is enough of it.
        if len(data) not in (size, unit.length):
            length = f"more than {size} bytes" if len(data) > size else f"{len(data)} bytes, not to {size}"
            message = f"the compressed data at byte {unit.offset} expands to {length}"
            raise MalformedImage(BROKEN_UNIT, unit.offset, message)
        self.expanded += units * len(data)
        return data[: unit.length]

    def _follow(self, steps: Generator[Region, bytes, tuple[bytes, int]]) -> tuple[bytes, int]:
        try:
            region = next(steps)
            while True:
                region = steps.send(_read(self._read_at, region))
        except StopIteration as stop:
            result: tuple[bytes, int] = stop.value
            return result


def _cut(extent: Stored | Zeros, first: int, end: int) -> Stored | Zeros:
    begin = max(extent.at, first)
    length = min(extent.at + extent.length, end) - begin
    if isinstance(extent, Zeros):
        return Zeros(begin, length)
    return Stored(begin, length, extent.offset + begin - extent.at)


def _joined(one: Stored | Zeros, other: Stored | Zeros) -> Stored | Zeros | None:
    """Both as one extent, None if they are none."""
    if isinstance(one, Zeros):
        return Zeros(one.at, one.length + other.length) if isinstance(other, Zeros) else None
    if isinstance(other, Zeros) or other.offset != one.offset + one.length:
        return None
    return Stored(one.at, one.length + other.length, one.offset)


def _neighbours(batch: Sequence[Packed]) -> Iterator[list[Packed]]:
    """Cut *batch* into runs that lie close together in the file, in ascending order."""
    near: list[Packed] = []
    for unit in batch:
        if near:
            start, end = near[0].offset, near[-1].offset + near[-1].most
            fits = unit.offset + unit.most - start <= MAX_REGION
            if near[-1].offset <= unit.offset <= end + MAX_GAP and fits:
                near.append(unit)
                continue
            yield near
        near = [unit]
    if near:
        yield near


class _Kept(Generic[K, V]):
    """The *most* values that were used last. Each step is one that threads cannot interrupt, so it needs no lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def find(self, key: K) -> V | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def keep(self, key: K, value: V) -> None:
        self._values[key] = value
        while len(self._values) > self._most:
            with suppress(KeyError):  # another thread was faster
                self._values.popitem(last=False)
