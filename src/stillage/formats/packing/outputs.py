"""The list of compressed outputs: which packer makes which."""

from typing import NamedTuple

from stillage.formats.packing.base import Made, Packer
from stillage.formats.packing.qcow2 import PackedQcow2
from stillage.formats.packing.stream_vmdk import StreamVmdk
from stillage.formats.packing.zvhd import Zvhd
from stillage.formats.packing.zvhd2 import Zvhd2


class Output(NamedTuple):
    """A compressed output.

    Attributes:
        subformat: The finer kind, as `Facts.subformat`; empty where there is one kind only.
        compression: Of a format that can also be written uncompressed; empty where there is no choice.
    """

    disk_format: str
    subformat: str = ""
    compression: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether it can be sent while it is made: nothing is written over at the end."""
        return self.disk_format != "qcow2"


OUTPUTS = (
    Output("vmdk", "streamOptimized"),
    Output("qcow2", compression="zlib"),
    Output("qcow2", compression="zstd"),
    Output("zvhd"),
    Output("zvhd2"),
)


def packer_of(output: Output, size: int, made: Made) -> Packer:
    """Return a packer of a disk of *size* bytes, a multiple of 512.

    Raises:
        DiskDoesNotFit: If the format cannot hold it.
    """
    match output.disk_format:
        case "vmdk":
            return StreamVmdk(size, made)
        case "zvhd":
            return Zvhd(size, made)
        case "zvhd2":
            return Zvhd2(size, made)
        case _:
            return PackedQcow2(size, output.compression)
