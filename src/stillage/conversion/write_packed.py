"""Writes a compressed image of a disk to a file. Apart from `convert`: to import the packers takes a while."""

import os

from stillage.conversion.move import moved_grains
from stillage.conversion.pack import packed
from stillage.conversion.pool import Pool
from stillage.conversion.progress import Progress
from stillage.conversion.source import Source
from stillage.formats.packing import qcow2_from_vmdk
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of
from stillage.holes import write_all, write_data

MOVED = Output("qcow2", compression="zlib")
"""What the grains of a stream-optimized VMDK become without being expanded."""


def write_packed(source: Source, output: Output, target: int, made: Made, pool: Pool, progress: Progress) -> None:
    """As `convert`."""
    mover = qcow2_from_vmdk.packer_for(source.reader.disk) if output == MOVED else None
    packer = mover or packer_of(output, source.reader.size, made)
    progress.begin("compressing" if mover is None else "moving", source.reader.size)
    pieces = packed(source, packer, pool, progress.advance)
    at = 0
    for piece in pieces if mover is None else moved_grains(source, mover, pool, progress.advance):
        write_data(target, piece, at)
        at += len(piece)
    for offset, data in packer.patches():
        write_all(target, memoryview(data), offset)
    os.ftruncate(target, at)
