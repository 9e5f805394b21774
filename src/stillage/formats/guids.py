"""Identifiers of 16 bytes: as they are stored, as they are written, and those that follow from a disk's content.

`uuid` is imported where one is made: it costs a command that converts or inspects as much as a format.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

NAMESPACE = "7f3b9c52-90a1-5f0e-8d7c-3f1f64c3a2b1"
"""Ours alone."""


def stored(text: str) -> bytes:
    """Return the bytes of a GUID: Microsoft stores its first three numbers with the lowest byte first."""
    first, second, third, *rest = (bytes.fromhex(number) for number in text.split("-"))
    return first[::-1] + second[::-1] + third[::-1] + b"".join(rest)


def written(data: bytes) -> str:
    """Return the text of the GUID that is stored as *data*."""
    numbers = data[3::-1], data[5:3:-1], data[7:5:-1], data[8:10], data[10:16]
    return "-".join(number.hex() for number in numbers)


def derived(name: str) -> "UUID":
    """Return the identifier of what *name* stands for: the same name gets the same one."""
    from uuid import UUID, uuid5  # noqa: PLC0415 - see above

    return uuid5(UUID(NAMESPACE), name)
