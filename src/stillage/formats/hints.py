"""Hints about a file that is accepted and may still be the wrong one: no structure in its disk, or a misleading name.

They refuse nothing. Source of the offsets: the documentation of each file system; util-linux, `libblkid`.
"""

from collections.abc import Sequence
from pathlib import PurePath

from stillage.formats import luks
from stillage.formats.raw.inspect import BOOT_SIGNATURE, partition_table

HEAD = 68 << 10
"""Bytes of a disk that are looked at: Btrfs is known by what follows its first 64 KiB."""
SIGNATURES: Sequence[tuple[int, bytes]] = (
    (1080, b"\x53\xef"),  # ext2, ext3, ext4
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),  # Btrfs
    (0x8001, b"CD001"),  # ISO 9660
    (0, b"hsqs"),  # SquashFS
    (1024, b"\xe2\xe1\xf5\xe0"),  # EROFS
    (1024, b"\x10\x20\xf5\xf2"),  # F2FS
    (512, b"LABELONE"),  # LVM
    (4086, b"SWAPSPACE2"),
    (0, luks.MAGIC),
    (0x10034, b"ReIsEr"),
    (0x8000, b"JFS1"),
)
NAMED = frozenset({"qcow2", "qcow", "qed", "vmdk", "vdi", "vhd", "vhdx", "iso", "zvhd", "zvhd2", "raw"})
"""Formats that are suffixes. `.img` says nothing."""
ALSO = {("raw", "iso"), ("iso", "raw")}
"""A disk that begins with an ISO 9660 image is both."""
BARE = "no partition table, boot sector or file system at its beginning; a guest may not start from it"


def hints_of(name: str, found: str | None, head: bytes) -> list[str]:
    """Return what may be wrong with a file, each as a sentence without a full stop.

    Args:
        name: Of the file.
        found: The format of its bytes; None if it is not known.
        head: Its first `HEAD` bytes, or all of them.
    """
    suffix = PurePath(name).suffix.lower().removeprefix(".")
    hints = []
    if found is not None and suffix in NAMED and suffix != found and (suffix, found) not in ALSO:
        hints.append(f"its name ends in .{suffix}, and its bytes are {found}")
    if found == "raw" and head and not has_structure(head):
        hints.append(BARE)
    return hints


def has_structure(head: bytes) -> bool:
    """Whether a disk that begins with *head* has a partition table, a boot sector, or a file system that we know."""
    if head[510:512] == BOOT_SIGNATURE or partition_table(head):
        return True
    return any(head[at : at + len(magic)] == magic for at, magic in SIGNATURES)
