"""Converts a disk into a new file of another format."""

import os
from functools import partial
from typing import Protocol

from stillage.conversion.move import moved_grains
from stillage.conversion.pack import packed
from stillage.conversion.pool import Pool
from stillage.conversion.scan import data_of
from stillage.conversion.source import Source
from stillage.conversion.wanted import Wanted
from stillage.conversion.write import Writer
from stillage.errors import ContentRejected
from stillage.formats.block_map import BlockMap
from stillage.formats.packing import outputs as packing
from stillage.formats.packing import qcow2_from_vmdk
from stillage.formats.packing.base import Made
from stillage.formats.safety import EMPTY
from stillage.formats.views import outputs as views
from stillage.holes import write_all, write_data

MOVED = packing.Output("qcow2", compression="zlib")
"""What the grains of a stream-optimized VMDK become without being expanded."""


class Progress(Protocol):
    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Begin a stage of *total* bytes of the disk."""

    def advance(self, count: int) -> None:
        """*count* more bytes of the disk are done."""


def convert(source: Source, wanted: Wanted, target: int, made: Made, pool: Pool, progress: Progress) -> None:
    """Write the disk of *source* as *wanted* to the empty file *target*.

    Raises:
        ContentRejected: If there are no bytes.
        DiskDoesNotFit: If the format cannot hold it; before anything is written, as a rule.
        MalformedImage: If the disk cannot be read.
        OSError: If a file cannot be read or written.
    """
    if not source.reader.size:
        raise ContentRejected("the disk has no bytes; there is nothing to convert", rule=EMPTY.id)
    if wanted.packing is None:
        _write_view(source, wanted, target, made, pool, progress)
    else:
        _write_packed(source, wanted.packing, target, made, pool, progress)


def _write_packed(
    source: Source, output: packing.Output, target: int, made: Made, pool: Pool, progress: Progress
) -> None:
    mover = qcow2_from_vmdk.packer_for(source.reader.disk) if output == MOVED else None
    packer = mover or packing.packer_of(output, source.reader.size, made)
    progress.begin("compressing" if mover is None else "moving", source.reader.size)
    pieces = packed(source, packer, pool, progress.advance)
    at = 0
    for piece in pieces if mover is None else moved_grains(source, mover, pool, progress.advance):
        write_data(target, piece, at)
        at += len(piece)
    for offset, data in packer.patches():
        write_all(target, memoryview(data), offset)
    os.ftruncate(target, at)


def _write_view(source: Source, wanted: Wanted, target: int, made: Made, pool: Pool, progress: Progress) -> None:
    size = source.reader.size
    make = partial(views.view_of, wanted.disk_format, wanted.subformat, size, identity=made.identity, made_at=made.at)
    make(data=BlockMap(size, []))  # what is too large for the format is so without data, and need not be read
    if not source.is_mapped:
        progress.begin("scanning", size)
    data = BlockMap(size, data_of(source, pool, progress.advance))
    view = make(data=data)
    progress.begin("writing", size)
    Writer(source, data, target).run(view.pieces(0, view.size), pool, progress.advance)
