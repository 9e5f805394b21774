"""The formats that a disk can be converted to, by the names that users give them."""

from dataclasses import dataclass

from stillage.errors import UnknownOutput
from stillage.formats.packing import outputs as packing
from stillage.formats.views import outputs as views


@dataclass(frozen=True, slots=True)
class Wanted:
    """A format to convert to.

    Attributes:
        disk_format: As in `Facts`.
        subformat: As in `Facts`; empty where there is one kind only.
        compression: ``zlib`` or ``zstd`` of a format that can also be written uncompressed, empty if it is.
    """

    disk_format: str
    subformat: str = ""
    compression: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.disk_format, self.subformat, self.compression)))

    @property
    def packing(self) -> packing.Output | None:
        """The compressed output; None if it is not compressed."""
        output = packing.Output(self.disk_format, self.subformat, self.compression)
        return output if output in packing.OUTPUTS else None


CHOICES = (*(Wanted(*key) for key in views.OUTPUTS), *(Wanted(*output) for output in packing.OUTPUTS))


def chosen(disk_format: str, subformat: str | None = None, compression: str | None = None) -> Wanted:
    """Return the output of these names. None: the first one of the format, uncompressed if there is one.

    Raises:
        UnknownOutput: If there is none.
    """
    of_format = [choice for choice in CHOICES if choice.disk_format == disk_format]
    for choice in of_format:
        if subformat is not None and choice.subformat.lower() != subformat.lower():
            continue
        if (compression or "") == choice.compression:
            return choice
    asked = " ".join(filter(None, (disk_format, subformat, compression)))
    raise UnknownOutput(asked, [str(choice) for choice in of_format or CHOICES])
