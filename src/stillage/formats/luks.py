"""LUKS: recognise an encrypted disk, its version and its size.

To the API such an image is raw. Nobody here has the key, so what is inside cannot be looked at: who accepts these
images, by policy, accepts unseen disks. Source: LUKS1 On-Disk Format Specification 1.2.3, "PHDR layout"; LUKS2 On-Disk
Format Specification 1.1.1, "Binary Header" and "JSON Area". All integers are big-endian.
"""

import json
import struct

from stillage.formats.base import Hazard, Region, Rule

MAGIC = b"LUKS\xba\xbe"
V1_HEADER = struct.Struct(">6sH32s32s32sI")  # magic … payload offset, in sectors
V2_HEADER = struct.Struct(">6sHQ")  # magic, version, size of binary header and JSON
BINARY_HEADER = 4096
LARGEST_AREA = 64 << 10
"""A header is 16 KiB as cryptsetup makes it. Larger ones are legal and would take more memory than we give them."""

ENCRYPTED = Rule(
    "luks.encrypted",
    "The disk inside is encrypted with LUKS, so it cannot be inspected, and only whoever has the key can boot it.",
    "cryptsetup open IN plain && dd if=/dev/mapper/plain of=OUT bs=1M conv=sparse",
)
RULES = (ENCRYPTED,)


def json_area(head: bytes) -> Region | None:
    """Where a version 2 container that begins with *head* keeps its JSON; None for other versions."""
    if version(head) != 2 or len(head) < V2_HEADER.size:
        return None
    _, _, header_size = V2_HEADER.unpack_from(head)
    if not BINARY_HEADER < header_size <= LARGEST_AREA:
        return None
    return Region(BINARY_HEADER, header_size - BINARY_HEADER)


def version(head: bytes) -> int:
    return int.from_bytes(head[6:8], "big")


def payload_offset(head: bytes, area: bytes) -> int:
    """Return where the encrypted disk begins; 0 if that cannot be told."""
    if version(head) == 1 and len(head) >= V1_HEADER.size:
        sectors: int = V1_HEADER.unpack_from(head)[-1]
        return sectors * 512
    try:
        return max(0, int(json.loads(area.rstrip(b"\0"))["segments"]["0"]["offset"]))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return 0


def encrypted(head: bytes) -> Hazard:
    return Hazard(
        ENCRYPTED, 0, f"the disk is encrypted with LUKS version {version(head)}; a disk that can be read is needed"
    )
