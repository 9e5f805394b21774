"""Builds VMware disks the way VMware and qemu-img lay them out, and wrong where a test wants them so."""

import struct
import zlib
from collections.abc import Iterable

GRAIN = 128  # sectors
GRAIN_BYTES = GRAIN * 512
AT_END = (1 << 64) - 1
STREAM_FLAGS = 0x30001
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")


def header(
    capacity: int = 64 * GRAIN,
    *,
    version: int = 3,
    flags: int = STREAM_FLAGS,
    directory_at: int = AT_END,
    overhead: int = GRAIN,
    compression: int = 1,
) -> bytes:
    fields = (version, flags, capacity, GRAIN, 1, 20, 512, 0, directory_at, overhead, 0, b"\n \r\n", compression)
    return HEADER.pack(b"KDMV", *fields).ljust(512, b"\0")


def descriptor(
    sectors: int = 64 * GRAIN,
    *,
    create_type: str = "streamOptimized",
    extents: Iterable[str] | None = None,
    parent: str = "ffffffff",
    more: str = "",
) -> bytes:
    lines = [f'RW {sectors} SPARSE "disk.vmdk"'] if extents is None else list(extents)
    text = f'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID={parent}\ncreateType="{create_type}"\n{more}\n'
    return (text + "\n".join(lines) + '\n\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "ide"\n').encode()


def grain(number: int, data: bytes | None = None) -> bytes:
    """The record of one compressed grain."""
    packed = zlib.compress(bytes([number % 256]) * GRAIN_BYTES) if data is None else data
    record = struct.pack("<QI", number * GRAIN, len(packed)) + packed
    return record.ljust(-(-len(record) // 512) * 512, b"\0")


def marker(kind: int, sectors: int) -> bytes:
    return struct.pack("<QII", sectors, 0, kind).ljust(512, b"\0")


def stream(
    numbers: Iterable[int] = (0, 1, 5, 63),
    capacity: int = 64 * GRAIN,
    *,
    footer: bytes | None = None,
    forget: Iterable[int] = (),
) -> bytes:
    """A disk with the grains *numbers*, each table behind its grains; the tables do not name those in *forget*."""
    body = bytearray((header(capacity) + descriptor(capacity)).ljust(GRAIN_BYTES, b"\0"))
    tables = -(-capacity // GRAIN // 512)
    directory = [0] * tables
    wanted = list(numbers)
    for number in range(tables):
        entries = [0] * 512
        for position in [n for n in wanted if n // 512 == number]:
            if position not in forget:
                entries[position % 512] = len(body) // 512
            body += grain(position)
        if any(n // 512 == number for n in wanted):
            directory[number] = len(body) // 512 + 1
            body += marker(1, 4) + struct.pack("<512I", *entries)
    sectors = -(-4 * tables // 512)
    at = len(body) // 512 + 1
    body += marker(2, sectors) + struct.pack(f"<{tables}I", *directory).ljust(512 * sectors, b"\0")
    body += marker(3, 1) + (header(capacity, directory_at=at) if footer is None else footer)
    return bytes(body + marker(0, 0))
