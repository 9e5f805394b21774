"""Tell the file system, or what else is in a partition, by its first bytes. None of it is opened.

Sources: the kernel's documentation of ext4, XFS, Btrfs, F2FS, EROFS, SquashFS and MD; Microsoft's of FAT, exFAT, NTFS
and ReFS; ECMA-119; LVM2 and cryptsetup; Apple's of HFS+ and APFS.
"""

from typing import NamedTuple

from stillage.formats import luks
from stillage.formats.printable import printable

HEAD = 68 << 10
"""Bytes that show it: the superblock of Btrfs is at 64 KiB."""


class FileSystem(NamedTuple):
    """What is in a partition, and what it is called there."""

    name: str
    label: str = ""


class _Magic(NamedTuple):
    name: str
    at: int
    magic: bytes
    label: slice | None = None
    encoding: str = "utf-8"


_EXT_AT, _EXT_MAGIC, _EXT_LABEL = 1024 + 56, b"\x53\xef", slice(1024 + 120, 1024 + 136)
_COMPATIBLE, _INCOMPATIBLE = slice(1024 + 92, 1024 + 96), slice(1024 + 96, 1024 + 100)
_HAS_JOURNAL, _HAS_EXTENTS = 1 << 2, 1 << 6

MAGICS = (
    _Magic("luks", 0, luks.MAGIC),
    _Magic("xfs", 0, b"XFSB", slice(108, 120)),
    _Magic("btrfs", 0x10040, b"_BHRfS_M", slice(0x1012B, 0x1022B)),
    _Magic("lvm2", 536, b"LVM2 001"),
    _Magic("swap", 4086, b"SWAPSPACE2", slice(1024 + 28, 1024 + 44)),
    _Magic("ntfs", 3, b"NTFS    "),
    _Magic("refs", 3, b"ReFS\0\0\0\0"),
    _Magic("exfat", 3, b"EXFAT   "),
    _Magic("vfat", 82, b"FAT32   ", slice(71, 82)),
    _Magic("vfat", 54, b"FAT16   ", slice(43, 54)),
    _Magic("vfat", 54, b"FAT12   ", slice(43, 54)),
    _Magic("iso9660", 0x8001, b"CD001", slice(0x8028, 0x8048)),
    _Magic("squashfs", 0, b"hsqs"),
    _Magic("f2fs", 1024, b"\x10\x20\xf5\xf2", slice(1024 + 124, 1024 + 1148), "utf-16-le"),
    _Magic("erofs", 1024, b"\xe2\xe1\xf5\xe0", slice(1024 + 64, 1024 + 80)),
    _Magic("linux_raid", 4096, b"\xfc\x4e\x2b\xa9", slice(4096 + 32, 4096 + 64)),
    _Magic("apfs", 32, b"NXSB"),
    _Magic("hfsplus", 1024, b"H+\0\4"),
    _Magic("hfsplus", 1024, b"HX\0\5"),
)


def find_file_system(head: bytes) -> FileSystem | None:
    """Return what *head*, the first `HEAD` bytes of a partition or a disk, shows; None if nothing is known."""
    if head[_EXT_AT : _EXT_AT + 2] == _EXT_MAGIC:
        return FileSystem(_ext(head), _text(head[_EXT_LABEL], "utf-8"))
    for known in MAGICS:
        if head.startswith(known.magic, known.at):
            return FileSystem(known.name, "" if known.label is None else _text(head[known.label], known.encoding))
    return None


def _ext(head: bytes) -> str:
    if int.from_bytes(head[_INCOMPATIBLE], "little") & _HAS_EXTENTS:
        return "ext4"
    return "ext3" if int.from_bytes(head[_COMPATIBLE], "little") & _HAS_JOURNAL else "ext2"


def _text(data: bytes, encoding: str) -> str:
    return printable(data.decode(encoding, "replace").partition("\0")[0].strip())
