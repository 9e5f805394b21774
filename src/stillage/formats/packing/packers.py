"""Which packer makes which compressed output. Apart from the list of them: nobody else needs all the packers."""

from stillage.formats.packing.base import Made, Packer
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.qcow2 import PackedQcow2
from stillage.formats.packing.stream_vmdk import StreamVmdk
from stillage.formats.packing.zvhd import Zvhd
from stillage.formats.packing.zvhd2 import Zvhd2


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
