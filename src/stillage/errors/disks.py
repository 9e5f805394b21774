"""What stops a disk from being read or converted."""

from collections.abc import Mapping
from typing import Any

from stillage.errors.base import Conflict, InvalidInput, StillageError, Unavailable


class DiskDoesNotFit(Conflict):
    """The disk is larger than the wanted format can hold."""

    code = "disk_does_not_fit"
    fix = "choose a format that holds larger disks: raw, qcow2 or vhdx"

    def __init__(self, what: str, limit: int, size: int) -> None:
        super().__init__(f"{what} holds at most {limit} bytes, and this disk has {size}; {self.fix}")
        self.limit = limit
        self.size = size

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"limit": self.limit, "size": self.size}


class NotConvertible(Conflict):
    """The image has no disk that can be read: no data yet, a package, or a format without a reader."""

    code = "not_convertible"
    fix = "download the image as it is, without disk_format"

    def __init__(self, image_id: str, why: str) -> None:
        super().__init__(f"image {image_id} cannot be read as a disk: {why}; {self.fix}")


class FormatNotAvailable(StillageError):
    """The format exists, but a download cannot make it.

    Attributes:
        available: What can be asked for, as ``disk_format`` or ``disk_format/subformat``.
    """

    code = "format_not_available"
    fix = "ask for one of the formats in the message"

    def __init__(self, wanted: str, why: str, available: tuple[str, ...]) -> None:
        super().__init__(f"a download cannot be {wanted}: {why}; available are {', '.join(available)}")
        self.available = available

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"available": list(self.available)}


class TooManyConversions(Unavailable):
    """The server expands or compresses as many disks as it may."""

    code = "too_many_conversions"
    fix = "try again after the seconds in Retry-After"

    def __init__(self, why: str, *, retry_after_s: int = 5) -> None:
        super().__init__(f"{why}; try again in {retry_after_s} seconds", retry_after_s=retry_after_s)


class UnknownOutput(InvalidInput):
    """There is no such format to convert to, or it has no such kind or compression."""

    code = "unknown_output"
    fix = "use one of the formats in the message"

    def __init__(self, asked: str, available: list[str]) -> None:
        super().__init__(f"no disk is converted to {asked!r}; use one of: {', '.join(available)}")


class UnreadableFormat(InvalidInput):
    """Disks of this format are stored and served, and not read."""

    code = "unreadable_format"
    fix = "convert it with a tool of its vendor first"

    def __init__(self, disk_format: str, readable: list[str]) -> None:
        super().__init__(f"disks in {disk_format} are not read; formats that are: {', '.join(readable)}; {self.fix}")
