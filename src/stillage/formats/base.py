"""How a format inspector is written: the bytes it wants, the facts and hazards it finds, its rules.

An inspector is a generator. It yields what it *wants* (a `Region` of the file, or the `Tail` that is known only when
the stream ends) and is sent those bytes; it yields what it has *found* (`Facts`, a `Hazard`) and is sent nothing of
interest. It opens nothing, keeps nothing that it did not ask for, follows no name that it finds, and decides nothing:
`formats.safety` does. `formats.stream` drives it, with the same code for an upload in flight, a file and a test.

    def inspect(stream: Stream) -> Inspection:
        head = yield Region(0, 104)
        if not head.startswith(MAGIC):
            raise NotThisFormat
        yield Facts("qcow2", virtual_size=size)      # from here on the format is known
        if backing_offset:
            yield Hazard(BACKING_FILE, 8, "…")
        table = yield Region(l1_offset, l1_bytes)    # may lie anywhere; see `Region`

Rules:
* Bytes that are not there are missing from what is sent: a region that reaches beyond the end of the stream comes
  short, or empty. Check the length before unpacking.
* Before the first `Facts` only `NotThisFormat` may be raised; afterwards only `MalformedImage`.
* Later `Facts` replace earlier ones.
* Text may quote the image as it is: `formats.stream` makes it printable.
* A region is at most `MAX_REGION` bytes, so that the state of an upload stays small whatever the image claims. It may
  lie anywhere: one that ends behind `LONGEST` is in no file, and `formats.stream` refuses the image for it.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

SECTOR = 512
"""Bytes of the unit in which every reader counts a disk. `docs/formats.md` says what becomes of parts of one."""
MAX_REGION = 4 << 20
MAX_TAIL = 4096
LONGEST = (1 << 63) - 1
"""Bytes of the longest stream. No file system keeps a longer file: offsets are signed numbers of 64 bits."""


class Region(NamedTuple):
    """The bytes ``offset … offset + length - 1``, please.

    Ask in ascending order where the format allows it: a region ahead is served as the stream passes. One that has
    gone by is served in the second look, after the stream has ended, from the stored bytes.
    """

    offset: int
    length: int


class Tail(NamedTuple):
    """The last *length* bytes of the stream, at most `MAX_TAIL`; fewer if the stream is shorter."""

    length: int


class Rule(NamedTuple):
    """Something that we look for. Declared once, as a constant of the module that looks for it.

    Attributes:
        id: ``format.what``, stable: users and policies name it.
        meaning: One sentence for the documentation: what it is and why it matters.
        fix: The command that makes an acceptable image, with IN and OUT for the file names.
    """

    id: str
    meaning: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Hazard:
    """A rule that this image breaks, where, and a sentence with the numbers.

    Attributes:
        final: The inspection ended here, so the rest of the image was not examined: no policy can allow it.
    """

    rule: Rule
    offset: int | None
    message: str
    final: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What an inspector knows.

    Attributes:
        format: The API's ``disk_format`` value, for instance ``qcow2``.
        virtual_size: Bytes that the guest sees; None while unknown.
        subformat: The finer kind, for instance ``streamOptimized``; empty where there is one kind only.
        details: More that a user may want to read, for instance ``{"cluster_size": "65536"}``.
    """

    format: str
    virtual_size: int | None = None
    subformat: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class NotThisFormat(Exception):
    """The bytes are not of this inspector's format."""


class MalformedImage(Exception):
    """The bytes are of this format and break it: nothing after this point can be understood."""

    def __init__(self, rule: Rule, offset: int | None, message: str) -> None:
        super().__init__(message)
        self.hazard = Hazard(rule, offset, message, final=True)


@dataclass(slots=True)
class Stream:
    """What is known of the whole stream.

    Attributes:
        size: Its length in bytes, at most `LONGEST`: as declared, None if unknown; exact once `Tail` or a short
            region was sent.
    """

    size: int | None = None


def whole_sectors(length: int | None) -> int | None:
    """Return the bytes of the disk that a file of *length* bytes is: a part of a sector at its end is a whole one."""
    return None if length is None else -(-length // SECTOR) * SECTOR


T = TypeVar("T")
Want = Region | Tail
Steps = Generator[Want | Facts | Hazard, bytes, T]
"""An inspector, or a part of one: it yields what it wants and what it has found, is sent bytes, and returns a T."""
Inspection = Steps[None]
ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, length)``: stored bytes, short at the end of the file."""


class Format(Protocol):
    """What a format module offers. `formats.registry` lists the modules."""

    @property
    def FORMAT(self) -> str: ...  # noqa: N802 - a module's constant

    @property
    def RULES(self) -> tuple[Rule, ...]: ...  # noqa: N802 - a module's constant

    def inspect(self, stream: Stream) -> Inspection: ...
