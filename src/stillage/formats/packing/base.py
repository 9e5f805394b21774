"""How a packer is written: it compresses pieces of a disk in any thread, and arranges them in order in one.

A packer makes one file. Whoever drives it writes what the calls return one behind the other:

    write(packer.head())
    for at in range(0, size, packer.batch):              # batches of zeros may be left out
        write(packer.place(packer.pack(at, guest)))      # `pack` in any thread, `place` in order
    write(packer.tail())
    for offset, data in packer.patches():                # none for a file that can be sent as it is made
        write_at(offset, data)

Packers open nothing and keep only what their tables need. They are pure: `stillage.conversion` has the threads.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

ZEROS = bytes(4 << 20)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Unit(NamedTuple):
    """A unit of the disk that is not all zeros.

    Attributes:
        number: Its place on the disk, counted in units.
        data: Its bytes in the file.
        is_packed: False if `data` are the guest's bytes as they are.
    """

    number: int
    data: bytes
    is_packed: bool = True


Packet = Sequence[Unit]
"""What `Packer.pack` makes of a batch: its units in ascending order, those of zeros left out."""


class Made(NamedTuple):
    """What a file says of its own making; the disk does not depend on it.

    Attributes:
        identity: 16 bytes, the UUID of formats that have one.
        at: Aware; of formats that have a time.
    """

    identity: bytes
    at: datetime = EPOCH


class Packer(Protocol):
    """Makes one compressed image of one disk."""

    @property
    def batch(self) -> int:
        """Guest bytes of one call of `pack`: a multiple of the unit. The last batch of the disk may be shorter."""
        ...

    def head(self) -> bytes:
        """The first bytes of the file."""
        ...

    def pack(self, at: int, guest: memoryview) -> Packet:
        """Compress the *guest* bytes from *at* on. Pure: any thread, any order."""
        ...

    def place(self, packet: Packet) -> bytes:
        """The next bytes of the file. Once for each packet, in ascending order."""
        ...

    def tail(self) -> bytes:
        """The last bytes of the file, when all is placed."""
        ...

    def patches(self) -> Sequence[tuple[int, bytes]]:
        """What has to be written over earlier bytes at last, with its offset."""
        ...


def whole_units(at: int, guest: memoryview, size: int) -> Iterator[tuple[int, memoryview]]:
    """Yield the units that are not all zeros, each with its number; zeros fill up the last one of the disk.

    Args:
        at: Where *guest* begins on the disk, a multiple of *size*.
        guest: Any number of bytes.
        size: Bytes of a unit, at most those of `ZEROS`.
    """
    for start in range(0, len(guest), size):
        unit = guest[start : start + size]
        # startswith is a memcmp; `==` takes a memoryview apart byte by byte.
        if not ZEROS.startswith(unit):
            yield (at + start) // size, unit if len(unit) == size else memoryview(bytes(unit).ljust(size, b"\0"))


def padding(length: int, boundary: int) -> bytes:
    """The zeros from *length* up to a multiple of *boundary*."""
    return bytes(-length % boundary)
