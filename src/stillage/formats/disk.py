"""What the guest sees of an image: where in the file each part of its disk is stored, packed, or zeros.

A format that can be read has `chart(stream)` beside `inspect`. Like an inspector it is a generator that yields the
`Region` it wants and is sent those bytes, and it returns a `Disk`. `formats.reading` drives both, with the same code
for a file, a blob and an object in S3.

A reader trusts nothing, although an inspector accepted the image: a deployment may allow rules, and bytes rot. What
cannot be read as the format says raises `MalformedImage`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator
from typing import NamedTuple, Protocol, TypeVar

from stillage.formats.base import Hazard, MalformedImage, Region, Rule, Steps, Stream, Tail


class Codec(Protocol):
    """Expands one unit of a packed format. It has no state: threads share it."""

    def expand(self, packed: bytes | memoryview, limit: int) -> bytes:
        """Return what *packed* expands to: at most *limit* + 1 bytes, which says that there are too many.

        Bytes that follow the unit in *packed* are ignored: a table says where a unit begins, and only about where
        it ends.

        Raises:
            Broken: If it cannot be expanded.
        """
        ...


class Chain(ABC):
    """Expands the units of a format that compresses the whole disk as one stream: each needs those before it."""

    @abstractmethod
    def expand_unit(self, unit: "Packed") -> Generator[Region, bytes, tuple[bytes, int]]:
        """Return what *unit* expands to, and how many units were expanded for it: one behind its predecessor.

        Raises:
            MalformedImage: If it, or one that it needs, does not expand to exactly one unit.
        """


class Stored(NamedTuple):
    """Bytes ``at … at + length - 1`` of the disk stand in the file as they are, from *offset* on."""

    at: int
    length: int
    offset: int


class Zeros(NamedTuple):
    """Bytes ``at … at + length - 1`` of the disk are zeros, and nothing is stored for them."""

    at: int
    length: int


class Packed(NamedTuple):
    """A unit of the disk is compressed.

    Attributes:
        at: Its first byte on the disk, a multiple of `Disk.unit`.
        length: Bytes of it that the disk has: `Disk.unit`, fewer at the end of the disk.
        offset: Its first byte in the file.
        most: Bytes of the file that it takes at most. Those that belong to it may end before, and the file too.
        codec: Expands it, or the chain that does.
    """

    at: int
    length: int
    offset: int
    most: int
    codec: Codec | Chain


Extent = Stored | Zeros | Packed
Charting = Generator[Region | Extent, bytes, None]
"""Yields regions, and is sent their bytes; yields extents, and is sent nothing (``next``)."""


class Disk(Protocol):
    """The map of one image's disk. Several threads may walk it at once."""

    @property
    def size(self) -> int:
        """Bytes of the disk, a multiple of 512: `Facts.virtual_size`."""
        ...

    @property
    def unit(self) -> int:
        """Bytes that a `Packed` extent expands to; 1 if nothing is packed. At most `MAX_UNIT`."""
        ...

    @property
    def in_order(self) -> bool:
        """True if units continue one another (`Chain`): expand them in ascending order, from one thread."""
        ...

    def extents(self, first: int, length: int) -> Charting:
        """Yield ascending extents without gaps which cover *length* bytes of the disk from *first* on.

        The first may begin before, the last may end behind, even behind the end of the disk: `DiskReader.extents`
        cuts them to what was asked for. Yields a `Region` for every piece of a table.
        """
        ...


MAX_UNIT = 2 << 20
"""Bytes of the largest packed unit that is read. VMDK allows more, and no program is known that writes it."""


class Readable(Protocol):
    """What a format's `read` module offers."""

    def chart(self, stream: Stream) -> Steps[Disk]:
        """Read the header and return the disk; the size of *stream* is known.

        Raises:
            NotThisFormat: If the file is of another format.
            MalformedImage: If it cannot be read as a disk of its own, for instance because a parent holds a part.
        """
        ...


T = TypeVar("T")


def tolerating(rules: Collection[Rule], steps: Steps[T]) -> Steps[T]:
    """Run *steps*, a part of an inspector. A hazard makes the disk unreadable, but for one under one of *rules*.

    Raises:
        MalformedImage: Under the rule of the hazard.
    """
    answer: bytes | None = None
    while True:
        try:
            step = next(steps) if answer is None else steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if isinstance(step, Hazard) and step.rule not in rules:
            raise MalformedImage(step.rule, step.offset, step.message)
        answer = (yield step) if isinstance(step, Region | Tail) else b""
