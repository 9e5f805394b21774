"""ISO 9660 and UDF (CD and DVD images): refuse a volume that is larger than its file.

The first sixteen sectors of 2048 bytes are the system area, which may hold anything: boot code, a partition table (an
"isohybrid" image is a raw disk as well), or the header of another format, which `formats.safety` then finds ambiguous.
Source: ECMA-119, 8 "Volume Descriptors"; ECMA-167, 2/9 "Volume recognition"; El Torito 1.0, 2.1 "Boot Record Volume".
"""

import struct
from typing import NamedTuple

from stillage.formats.base import (
    Facts,
    Inspection,
    MalformedImage,
    NotThisFormat,
    Region,
    Rule,
    Steps,
    Stream,
    Tail,
    whole_sectors,
)

FORMAT = "iso"
SECTOR = 2048
SYSTEM_AREA = 16 * SECTOR
DESCRIPTOR = struct.Struct("<B5sB")
IDENTIFIER = b"CD001"
UDF_BEGINS = b"BEA01"
UDF = (b"NSR02", b"NSR03")
BOOT_RECORD, PRIMARY, TERMINATOR = 0, 1, 255
KNOWN_TYPES = (BOOT_RECORD, PRIMARY, 2, 3, TERMINATOR)
MOST_DESCRIPTORS = 64
SIZES_LITTLE = struct.Struct("<I4x40xH2x")  # from byte 80: blocks, then their size, each in both byte orders
SIZES_BIG = struct.Struct(">4xI40x2xH")
BLOCK_SIZES = (512, 1024, 2048)
EL_TORITO = b"EL TORITO SPECIFICATION"
# Recorders add up to 150 sectors of padding behind a track; a copy without them is complete.
PADDING = 152 * SECTOR

DESCRIPTORS = Rule("iso.descriptors", "The volume descriptors at sector 16 lack the primary one, or never end.")
VOLUME_SIZE = Rule("iso.volume-size", "The size of the volume is impossible, or its two byte orders disagree.")
TRUNCATED = Rule("iso.truncated", "The file is shorter than the volume in it, so files of the volume are missing.")
RULES = (DESCRIPTORS, VOLUME_SIZE, TRUNCATED)


class Descriptors(NamedTuple):
    primary: bytes
    offset: int
    bootable: bool


def inspect(stream: Stream) -> Inspection:
    first = yield Region(SYSTEM_AREA, SECTOR)
    kind, identifier, version = DESCRIPTOR.unpack(first[: DESCRIPTOR.size].ljust(DESCRIPTOR.size, b"\0"))
    if kind == 0 and identifier == UDF_BEGINS:
        yield from _udf(stream)
        return
    if identifier != IDENTIFIER or version != 1 or kind not in KNOWN_TYPES:
        raise NotThisFormat
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size))

    descriptors = yield from _descriptors(first)
    volume = descriptors.primary[40:72].decode("ascii", "replace").strip(" \0")
    details = {"volume": volume, "bootable": "yes" if descriptors.bootable else "no"}
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size), details=details)
    volume_size = _volume_size(descriptors.primary, descriptors.offset)
    if stream.size is None:
        yield Tail(0)
    if stream.size is not None and stream.size + PADDING < volume_size:
        raise MalformedImage(
            TRUNCATED, descriptors.offset + 80, f"the volume has {volume_size} bytes; the file has {stream.size}"
        )
    yield Tail(0)
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size), details=details)


def _descriptors(first: bytes) -> Steps[Descriptors]:
    """Read the volume descriptors up to the terminator, or up to whatever is none."""
    primary, primary_offset, bootable = b"", 0, False
    for number in range(MOST_DESCRIPTORS):
        offset = SYSTEM_AREA + number * SECTOR
        descriptor = first if number == 0 else (yield Region(offset, SECTOR))
        if len(descriptor) < SECTOR:
            end = offset + len(descriptor)
            raise MalformedImage(TRUNCATED, end, f"the file ends after {end} bytes, in its volume descriptors")
        kind, identifier, _ = DESCRIPTOR.unpack_from(descriptor)
        if identifier != IDENTIFIER or kind == TERMINATOR:
            break
        bootable |= kind == BOOT_RECORD and descriptor[7:].startswith(EL_TORITO)
        if kind == PRIMARY and not primary:
            primary, primary_offset = descriptor, offset
    else:
        raise MalformedImage(DESCRIPTORS, SYSTEM_AREA, f"there are more than {MOST_DESCRIPTORS} volume descriptors")
    if not primary:
        raise MalformedImage(DESCRIPTORS, SYSTEM_AREA, "there is no primary volume descriptor")
    return Descriptors(primary, primary_offset, bootable)


def _volume_size(primary: bytes, offset: int) -> int:
    little = SIZES_LITTLE.unpack_from(primary, 80)
    big = SIZES_BIG.unpack_from(primary, 80)
    if little != big:
        raise MalformedImage(
            VOLUME_SIZE, offset + 80, f"the volume has {little} blocks of bytes in one byte order, {big} in the other"
        )
    blocks, size = little
    if size not in BLOCK_SIZES or not blocks:
        raise MalformedImage(VOLUME_SIZE, offset + 128, f"the volume has {blocks} blocks of {size} bytes")
    return int(blocks * size)


def _udf(stream: Stream) -> Inspection:
    following = yield Region(SYSTEM_AREA + SECTOR, SECTOR)
    if following[1:6] not in UDF:
        raise NotThisFormat
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size), subformat="udf")
    yield Tail(0)
    yield Facts(FORMAT, virtual_size=whole_sectors(stream.size), subformat="udf")
