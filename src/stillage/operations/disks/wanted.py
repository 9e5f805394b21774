"""Which image a client wants instead of the stored one."""

from typing import NamedTuple

from stillage.errors import FormatNotAvailable, InvalidInput
from stillage.formats.block_map import BlockMap
from stillage.formats.packing import outputs as packing
from stillage.formats.packing.base import EPOCH, Made
from stillage.formats.packing.packers import packer_of
from stillage.formats.views.outputs import OUTPUTS, view_of
from stillage.images.image import DISK_FORMATS, Image

PACKED = {(output.disk_format, output.subformat): output for output in packing.OUTPUTS if output.is_stream}
NOT_MADE = {
    "iso": "an ISO image is a file system on a medium, and no container for a disk; ask for raw",
    "ploop": "which blocks a ploop has is told by another file; ask for raw",
}
OF_MACHINES = "the Amazon formats say what is on a disk, and not how it is stored; ask for raw"
DOWNLOADS = tuple("/".join(filter(None, kind)) for kind in (*OUTPUTS, *PACKED))


class Wanted(NamedTuple):
    """An output of `formats.views.outputs`, or of `formats.packing.outputs`."""

    disk_format: str
    subformat: str

    @property
    def packing(self) -> packing.Output | None:
        """The compressed output; None if it is a view."""
        return PACKED.get(self)

    def etag_of(self, image: Image) -> str:
        """A strong validator of a view: the same bytes of the image give the same bytes of it."""
        name = "-".join(filter(None, self))
        return f'"{image.os_hash_value}.{name}.{OUTPUTS[self].version}"'


RAW = Wanted("raw", "")


def require_fits(wanted: Wanted, size: int) -> None:
    """Raise DiskDoesNotFit if no disk of *size* bytes can be what is *wanted*, as is known without its data."""
    if (output := wanted.packing) is not None:
        packer_of(output, size, Made(bytes(16)))
    else:
        view_of(*wanted, size, BlockMap(size, ()), bytes(16), EPOCH)


def wanted_of(disk_format: str, subformat: str | None, compression: str | None = None) -> Wanted:
    """Return what a client names; without *subformat* the first one of the format.

    Raises:
        InvalidInput: If there is no such format or subformat.
        FormatNotAvailable: If a download cannot be in it.
    """
    if disk_format not in DISK_FORMATS:
        raise InvalidInput(f"unknown disk_format {disk_format[:32]!r}; use one of {', '.join(DOWNLOADS)}")
    kinds = [kind for kind in (*OUTPUTS, *PACKED) if kind[0] == disk_format]
    if not kinds:
        raise FormatNotAvailable(disk_format, NOT_MADE.get(disk_format, OF_MACHINES), DOWNLOADS)
    if compression is not None:
        _refuse_compression(disk_format, compression)
    for kind in kinds:
        if subformat in (None, kind[1]):
            return Wanted(*kind)
    names = ", ".join(repr(kind[1]) for kind in kinds if kind[1])
    which = f"use one of {names}" if names else "it has none"
    raise InvalidInput(f"unknown subformat {(subformat or '')[:32]!r} of {disk_format}; {which}")


def _refuse_compression(disk_format: str, compression: str) -> None:
    outputs = [output for output in packing.OUTPUTS if output.disk_format == disk_format]
    known = [output.compression for output in outputs if output.compression]
    if compression not in known:
        which = f"use one of {', '.join(known)}" if known else "the format determines it"
        raise InvalidInput(f"unknown compression {compression[:32]!r} of {disk_format}; {which}")
    why = "its header comes first and is known last; download the image and run"
    command = f"`stillage convert IN OUT.{disk_format} --compress {compression}`"
    raise FormatNotAvailable(f"{disk_format} compressed with {compression}", f"{why} {command}", DOWNLOADS)
