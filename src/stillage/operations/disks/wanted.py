"""Which image a client wants instead of the stored one."""

from typing import NamedTuple

from stillage.errors import FormatNotAvailable, InvalidInput
from stillage.formats.views.outputs import OUTPUTS
from stillage.images.image import DISK_FORMATS, Image

DOWNLOADS = tuple("/".join(filter(None, kind)) for kind in OUTPUTS)
PACKED = {
    ("qcow2", "compressed"): "its header is known only when everything is compressed; use `stillage convert`",
    ("vmdk", "streamOptimized"): "it is compressed while it is made; use `stillage convert`",
    ("zvhd", ""): "it is compressed while it is made; use `stillage convert`",
    ("zvhd2", ""): "it is compressed while it is made; use `stillage convert`",
}


class Wanted(NamedTuple):
    """An output of `formats.views.outputs`."""

    disk_format: str
    subformat: str

    @property
    def name(self) -> str:
        return "-".join(filter(None, self))

    def etag_of(self, image: Image) -> str:
        """A strong validator: the same bytes of the image give the same bytes of the view."""
        return f'"{image.os_hash_value}.{self.name}.{OUTPUTS[self].version}"'


RAW = Wanted("raw", "")


def wanted_of(disk_format: str, subformat: str | None) -> Wanted:
    """Return what a client names; without *subformat* the first one of the format.

    Raises:
        InvalidInput: If there is no such format or subformat.
        FormatNotAvailable: If a download cannot be in it.
    """
    if disk_format not in DISK_FORMATS:
        raise InvalidInput(f"unknown disk_format {disk_format[:32]!r}; use one of {', '.join(DOWNLOADS)}")
    kinds = [kind for kind in OUTPUTS if kind[0] == disk_format]
    packed = [kind for kind in PACKED if kind[0] == disk_format]
    if not kinds and not packed:
        raise FormatNotAvailable(disk_format, "nothing writes it", DOWNLOADS)
    for kind in (*kinds, *packed):
        if subformat in (None, kind[1]):
            if kind in PACKED:
                raise FormatNotAvailable("/".join(filter(None, kind)), PACKED[kind], DOWNLOADS)
            return Wanted(*kind)
    names = ", ".join(repr(kind[1]) for kind in (*kinds, *packed) if kind[1])
    which = f"use one of {names}" if names else "it has none"
    raise InvalidInput(f"unknown subformat {(subformat or '')[:32]!r} of {disk_format}; {which}")
