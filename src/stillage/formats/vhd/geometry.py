"""The geometry of a VHD: the cylinders, heads and sectors that the format gives to a disk of a size.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, "CHS Calculation".
"""

from stillage.formats.base import SECTOR
from stillage.formats.vhd.header import LARGEST_GEOMETRY

MOST_CYLINDERS = 65535


def geometry_of(size: int) -> tuple[int, int, int]:
    """Return cylinders, heads and sectors per track of a disk of *size* bytes; together they are that or less."""
    total = min(size // SECTOR, LARGEST_GEOMETRY)
    if total >= MOST_CYLINDERS * 16 * 63:
        return total // (16 * 255), 16, 255
    tracks = total // 17
    heads = max(4, -(-tracks // 1024))
    if heads <= 16 and tracks < heads * 1024:
        return tracks // heads, heads, 17
    tracks = total // 31
    if tracks < 16 * 1024:
        return tracks // 16, 16, 31
    return total // 63 // 16, 16, 63
