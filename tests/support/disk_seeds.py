"""Disks to change: small images of each kind, made by qemu-img or by the builders of the unit tests."""

import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qcow2_images import COPIED, Qcow2
from qemu_images import run
from samples import load
from vmdk_images import descriptor, stream
from zvhd_images import Zvhd2, zvhd

DISC_SECTOR = 2048
SECOND_FILE = "second"
"""Lies beside the image. Only this name is ever written into one, so that nothing else can be opened."""

EXTENTS = (
    f'RW 128 FLAT "{SECOND_FILE}" 0',
    f'RW 128 SPARSE "{SECOND_FILE}"',
    f'RW 128 FLAT "./{SECOND_FILE}" 0',
    f'RDONLY 2048 VMFS "{SECOND_FILE}"',
)
# A descriptor, to a reader for whom a comment ends with LF only.
BEGUN = '#\rx\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="vmfs"\n'

MAGICS = (
    b"QFI\xfb\0\0\0\1",
    b"QFI\xfb\0\0\0\2",
    b"QFI\xfb\0\0\0\3",
    b"QED\0",
    b"KDMV\1\0\0\0",
    b"COWD\1\0\0\0",
    b"conectix",
    b"cxsparse",
    b"vhdxfile",
    b"\x7f\x10\xda\xbe\1\0\1\0",
    b"LUKS\xba\xbe\0\1",
    b"WithoutFreeSpace" + struct.pack("<IIII", 2, 16, 4, 63),
    b"WithouFreSpacExt" + struct.pack("<IIII", 2, 16, 4, 63),
    b"Bochs Virtual HD Image\0".ljust(32, b"\0") + b"Redolog\0".ljust(16, b"\0") + b"Growing\0".ljust(16, b"\0"),
    b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\nexit $?\n",
    b"OOOM\0\0\0\2",
    b"koly\0\0\0\x04\0\0\x02\0",
    b"stream\0\0",
    b"z2strm\0\0",
    b"\0CD001\1",
)
TEXTS = (
    f'parentFileNameHint="{SECOND_FILE}"\n'.encode(),
    f'# parentFileNameHint="{SECOND_FILE}"\n'.encode(),
    f"PARENTFILENAMEHINT={SECOND_FILE}".encode(),
    f'ddb.comment = "parentFileNameHint={SECOND_FILE}"\n'.encode(),
    f'\0parentFileNameHint="{SECOND_FILE}"\n'.encode(),
    f'x="parentFileNameHint={SECOND_FILE}"\n'.encode(),
    b'parentFileNameHint=""\n',
    b"parentCID=12345678\n",
    b"# Disk DescriptorFile\n",
    b"# Disk DescriptorFile\rversion=1\r",
    b"version=1\n",
    b"#\rx\nversion=1\n",
    b" \r\nversion=2\r\n",
    b"#\x0bx\nversion=1\r\n",
    b'createType="monolithicFlat"\n',
    b"\n",
    b"\r",
    b"\0",
    *(f"{extent}\n".encode() for extent in EXTENTS),
    *(f"{BEGUN}{extent}\n".encode() for extent in EXTENTS),
    SECOND_FILE.encode() + b"\0",
)
# What a reader may take a file for by its first bytes.
STARTS = (*MAGICS, *(text for text in TEXTS if b"version=" in text))


Parts = tuple[tuple[int, int], ...]
Words = tuple[tuple[int, tuple[bytes, ...]], ...]


@dataclass(frozen=True)
class Kind:
    """A format, in the variety that a test is about.

    Attributes:
        declared: Values of the API's ``disk_format`` that the images may have.
        driver: QEMU's name for it; None if it has no driver.
        probed: What QEMU may find when nobody tells it the format.
        make: Makes the images.
        hot: Ranges of bytes with headers; negative ones count from the end.
        words: Places, and what may be written there that means something.
        copied_words: The same, for what is in the footer of a VHD and in its copy.
        lines: Texts that mean something between the lines of a descriptor.
    """

    declared: tuple[str, ...]
    driver: str | None
    probed: frozenset[str]
    make: Callable[[], list[bytes]]
    hot: Parts
    words: Words = ()
    lines: tuple[bytes, ...] = ()
    copied_words: Words = ()


@cache
def seeds(kind: Kind) -> list[bytes]:
    return kind.make()


def _made(driver: str, *commands: tuple[str, str]) -> list[bytes]:
    """Images that qemu-img makes with these options and sizes, each empty and with two writes."""
    images = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (options, size) in enumerate(commands):
            path = Path(folder) / f"disk{number}"
            run("qemu-img", "create", "-q", "-f", driver, *(["-o", options] if options else []), path, size)
            images.append(path.read_bytes())
            write = "write -c -P 7 0 64k" if "streamOptimized" in options else "write -P 7 0 4k"
            run("qemu-io", "-f", driver, "-c", write, "-c", "flush", path)
            images.append(path.read_bytes())
    return images


def _qcow2() -> list[bytes]:
    made = _made("qcow2", ("", "1M"), ("compat=0.10,cluster_size=512", "64k"), ("cluster_size=4k", "256k"))
    snapshot = Qcow2(cluster_bits=9, size=64 << 10, l1_entries=2, l2=[COPIED | 5 * 512]).build()
    return [*made, snapshot, Qcow2(l2=[COPIED | 5 << 16]).build()]


def _vmdk_text() -> list[bytes]:
    """Descriptors, which name another file all of them and should never be accepted; a hole in them may let one by."""
    return [
        descriptor(128, create_type=kind, extents=[extent])
        for kind in ("monolithicFlat", "twoGbMaxExtentSparse", "vmfs", "custom")
        for extent in EXTENTS
    ]


def _iso() -> list[bytes]:
    body = b"\1CD001\1".ljust(40, b"\0") + b"DISC".ljust(40) + struct.pack("<I", 20) + struct.pack(">I", 20)
    sector = struct.pack("<H", DISC_SECTOR) + struct.pack(">H", DISC_SECTOR)
    primary = (body.ljust(128, b"\0") + sector).ljust(DISC_SECTOR, b"\0")
    disc = bytes(16 * DISC_SECTOR) + primary + b"\xffCD001\1".ljust(3 * DISC_SECTOR, b"\0")
    return [disc, disc[:446] + PARTITIONS + disc[512:], load("small.iso")[: 24 * DISC_SECTOR]]


def _raw() -> list[bytes]:
    partitioned = (bytes(446) + PARTITIONS).ljust(32 << 10, b"\0")
    return [bytes(4096), b"", b"label\n" * 50, partitioned, bytes(range(256)) * 8]


def _be64(*numbers: int) -> tuple[bytes, ...]:
    return tuple(struct.pack(">Q", number) for number in numbers)


def _le64(*numbers: int) -> tuple[bytes, ...]:
    return tuple(struct.pack("<Q", number) for number in numbers)


PARTITIONS = struct.pack("<B3xB3xII", 0x80, 0x83, 1, 60).ljust(64, b"\0") + b"\x55\xaa"
CREATORS = (b"vpc ", b"qemu", b"vbox", b"win ", b"qem2", b"d2v ", b"tap\0", b"tap ", b"CTXS", b"wa\0\0", bytes(4))
SHAPES = ((65535, 16, 255), (65535, 16, 254), (65535, 255, 255), (2, 4, 17), (30, 4, 17), (31, 4, 17), (0, 0, 0))
GEOMETRIES = tuple(struct.pack(">HBB", *shape) for shape in SHAPES)
SIZES = (0, 1, 511, 512, 1000, 4096, 65537)
QCOW_BACKING = (8, tuple(struct.pack(">QI", at, len(SECOND_FILE)) for at in (104, 112, 200)))
QCOW_SIZES = (24, _be64(*SIZES))
DATA_FILE = struct.pack(">II", 0x44415441, len(SECOND_FILE)) + SECOND_FILE.encode()
BACKING_FORMAT = struct.pack(">II", 0xE2792ACA, 3) + b"raw"
VMDK_HEADER = ((0, 80), (512, 1024))
VMDK_WORDS = ((12, _le64(0, 1, 127, 2048, 1 << 40)), (28, _le64(0, 1, 2, 20, 21)), (560, TEXTS))
VHDX_PARTS = tuple((at, at + 80) for at in (0, 64 << 10, 128 << 10, 192 << 10, 256 << 10, 2 << 20, 3 << 20))
VHD_WORDS = ((-484, CREATORS), (-456, GEOMETRIES))
RAW_ONLY = frozenset({"raw"})
AT_START = ((0, STARTS), (0, STARTS))


def _qemu(
    name: str, hot: Parts, make: Callable[[], list[bytes]], words: Words = (), lines: tuple[bytes, ...] = ()
) -> Kind:
    """A format that QEMU finds by itself."""
    return Kind((name,), name, frozenset({name}), make, hot, words, lines)


KINDS: dict[str, Kind] = {
    "qcow2": _qemu(
        "qcow2",
        ((0, 112), (112, 512)),
        _qcow2,
        (
            QCOW_BACKING,
            QCOW_SIZES,
            (72, _be64(*(1 << bit for bit in range(6)))),
            (104, (DATA_FILE, BACKING_FORMAT)),
            (112, (DATA_FILE, BACKING_FORMAT)),
            (200, (SECOND_FILE.encode(),)),
        ),
    ),
    "qcow": _qemu(
        "qcow", ((0, 48), (48, 512)), lambda: _made("qcow", ("", "1M"), ("", "64k")), (QCOW_BACKING, QCOW_SIZES)
    ),
    "qed": _qemu(
        "qed",
        ((0, 64),),
        lambda: _made("qed", ("cluster_size=16k", "256k"), ("", "1M")),
        ((16, _le64(1, 2, 4, 8)), (48, _le64(*SIZES))),
    ),
    "vmdk-sparse": _qemu("vmdk", VMDK_HEADER, lambda: _made("vmdk", ("", "1M"), ("", "1000k")), VMDK_WORDS, TEXTS),
    "vmdk-stream": _qemu(
        "vmdk",
        (*VMDK_HEADER, (-1536, -512)),
        lambda: [*_made("vmdk", ("subformat=streamOptimized", "1M")), stream()],
        VMDK_WORDS,
        TEXTS,
    ),
    "vmdk-text": _qemu("vmdk", ((0, 200),), _vmdk_text, (), TEXTS),
    "vhd-fixed": Kind(
        ("vhd",),
        "vpc",
        RAW_ONLY,  # QEMU looks for a footer only where the first copy of a dynamic disk's is
        lambda: _made("vpc", ("subformat=fixed", "1M"), ("subformat=fixed,force_size=on", "64k")),
        ((-512, -420),),
        (*VHD_WORDS, *AT_START),
    ),
    "vhd-dynamic": Kind(
        ("vhd",),
        "vpc",
        frozenset({"vpc"}),
        lambda: _made("vpc", ("", "1M"), ("force_size=on", "64k"), ("", "127G")),
        ((0, 92), (512, 576), (-512, -420)),
        VHD_WORDS,
        copied_words=((28, CREATORS), (56, GEOMETRIES)),
    ),
    "vhdx": _qemu("vhdx", VHDX_PARTS, lambda: _made("vhdx", ("block_size=1M", "1M"))),
    "vdi": _qemu(
        "vdi",
        ((0, 80), (64, 512)),
        lambda: _made("vdi", ("", "1M"), ("static=on", "1M")),
        ((0x170, _le64(*SIZES, 1 << 20)), *AT_START),
    ),
    "ploop": Kind(
        ("ploop",),
        "parallels",
        frozenset({"parallels"}),
        lambda: _made("parallels", ("", "1M"), ("", "64k")),
        ((0, 64), (64, 128)),
        ((36, _le64(*SIZES)),),
    ),
    "raw": Kind(("raw", "ami", "ari", "aki"), "raw", RAW_ONLY, _raw, ((0, 512),), (*AT_START, (64, MAGICS))),
    "iso": Kind(("iso", "raw"), "raw", RAW_ONLY, _iso, ((0, 512), (32 << 10, (32 << 10) + 200)), AT_START),
    "zvhd": Kind(
        ("zvhd",),
        None,
        RAW_ONLY,
        lambda: [zvhd([0]), zvhd([]), zvhd([], original=512, current=512)],
        ((0, 100), (512, 4096), (4096, 4150)),
    ),
    "zvhd2": Kind(
        ("zvhd2",), None, RAW_ONLY, lambda: [Zvhd2([0]).image(), Zvhd2([], method=0).image()], ((0, 160), (512, 4096))
    ),
}
