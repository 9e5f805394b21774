"""Make a dynamic VDI of a disk.

Source: VirtualBox, VDICore.h, "VDIHEADER1PLUS", version 1.1. All integers are little-endian.
"""

import struct
from functools import partial

from stillage.formats.block_map import BlockMap
from stillage.formats.tables.entries import to_little_endian
from stillage.formats.vdi.inspect import DYNAMIC, HEADER_SIZES, SECTOR, SIGNATURE, VERSION_1_1
from stillage.formats.views.base import (
    CLUSTER,
    Blocks,
    Fixed,
    Sections,
    Tables,
    Target,
    View,
    numbers,
    round_up,
)

VERSION = 1
BLOCK = 1 << 20  # the one that every reader takes
MAP_AT = 512
MOST_BLOCKS = 1 << 29  # twice as many leave no room for the offset of the data in its 32 bits
UNSTORED = 0xFFFFFFFF  # never written: zeros
TITLE = b"<<< Oracle VM VirtualBox Disk Image >>>\n"

_FRONT = struct.Struct("<64s4sIIII256sII12sI4xQIIII16s16s16s16s")


def view(target: Target) -> View:
    target.require_at_most(MOST_BLOCKS * BLOCK, "a vdi")
    data = target.data.coarser(BLOCK // CLUSTER)
    map_bytes = 4 * data.blocks
    data_at = round_up(MAP_AT + map_bytes, BLOCK)
    return Sections(
        Fixed(_header(target, data, data_at), MAP_AT),
        Tables(data.blocks, 4, partial(_map, data)),
        Fixed(b"", data_at - MAP_AT - map_bytes),
        Blocks(data),
    )


def _header(target: Target, data: BlockMap, data_at: int) -> bytes:
    image, modification = (target.uuid(what).bytes_le for what in ("vdi image", "vdi modification"))
    return _FRONT.pack(
        TITLE,
        SIGNATURE,
        VERSION_1_1,
        HEADER_SIZES[1],
        DYNAMIC,
        0,
        b"",  # comment
        MAP_AT,
        data_at,
        bytes(12),  # geometry, as BIOSes of old knew it; readers compute their own
        SECTOR,
        target.size,
        BLOCK,
        0,
        data.blocks,
        data.count,
        image,
        modification,
        bytes(16),
        bytes(16),
    )


def _map(data: BlockMap, first: int, count: int) -> bytes:
    """Block numbers count from where the data begin."""
    return to_little_endian(numbers(data, first, count, "I", base=0, step=1, absent=UNSTORED))
