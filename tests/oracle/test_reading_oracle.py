"""The guest sees what QEMU shows it: every kind of image that qemu-img makes, read as a whole and in parts.

For the formats that it reads right, libyal is a second opinion, independent of QEMU.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from disk_reading import checked_extents
from qemu_images import contents, run
from stillage.formats.readers import READERS
from stillage.formats.reading import DiskReader, open_disk

pytestmark = pytest.mark.oracle

DRIVERS = {"vhd": "vpc"}
LARGEST = 64 << 20
# Written to images of 9 MiB, also in the middle of a cluster, grain and block.
WRITES = (
    *("write -P 7 0 4M", "discard 64k 1M", "write -P 5 200k 100k", "write -z 2M 65k", "write -z -u 3M 70k"),
    *("write -P 9 5111k 1k", "write -P 3 9215k 1k"),
)
CREATED = [
    *[("qcow2", f"cluster_size={size}") for size in ("512", "4k", "64k", "2M")],
    ("qcow2", "compat=0.10"),
    ("qcow2", "extended_l2=on"),
    ("qcow2", "extended_l2=on,cluster_size=16k"),
    ("qcow2", "extended_l2=on,cluster_size=2M"),
    ("qcow2", "preallocation=metadata"),
    ("qcow2", "preallocation=full"),
    ("qcow2", "refcount_bits=1,lazy_refcounts=on"),
    ("qcow", ""),
    ("qed", ""),
    ("qed", "cluster_size=4k,table_size=4"),
    ("vmdk", ""),
    ("vmdk", "zeroed_grain=on"),
    ("vmdk", "hwversion=4,adapter_type=lsilogic"),
    ("vhd", "subformat=dynamic"),
    ("vhd", "subformat=dynamic,force_size=on"),
    ("vhd", "subformat=fixed"),
    ("vhd", "subformat=fixed,force_size=on"),
    ("vhdx", ""),
    ("vhdx", "block_size=1M,log_size=1M"),
    ("vhdx", "subformat=fixed"),
    ("vhdx", "block_state_zero=off"),
    ("vdi", ""),
    ("vdi", "static=on"),
]
CONVERTED = [
    ("qcow2", "compression_type=zlib", "-c"),
    ("qcow2", "compression_type=zlib,cluster_size=512", "-c"),
    ("qcow2", "compression_type=zlib,cluster_size=2M", "-c"),
    ("qcow2", "compression_type=zstd", "-c"),
    ("qcow2", "compression_type=zstd,extended_l2=on", "-c"),
    ("vmdk", "subformat=streamOptimized", ""),
    ("vmdk", "subformat=monolithicSparse", ""),
    ("qed", "", ""),
    ("vdi", "", ""),
    ("vhdx", "", ""),
    ("vhd", "force_size=on", ""),
]
LIBYAL = {"vmdk": "pyvmdk", "vhd": "pyvhdi", "vhdx": "pyvhdi"}
SIZES = (512, 66_048, 3_000_320)


@contextmanager
def opened(path: Path, disk_format: str) -> Iterator[DiskReader]:
    descriptor = os.open(path, os.O_RDONLY)

    def read_at(offset: int, length: int) -> bytes:
        return os.pread(descriptor, length, offset)

    try:
        yield DiskReader(open_disk(READERS[disk_format], read_at, os.fstat(descriptor).st_size), read_at)
    finally:
        os.close(descriptor)


def assert_read_alike(path: Path, disk_format: str, options: str = "") -> None:
    """Compare the disk with what QEMU converts it to, as a whole and in random parts."""
    raw = path.with_suffix(".raw")
    run("qemu-img", "convert", "-f", DRIVERS.get(disk_format, disk_format), "-O", "raw", path, raw)
    expected = raw.read_bytes()
    with opened(path, disk_format) as reader:
        assert reader.size == len(expected)
        assert reader.read(0, LARGEST) == expected
        # It takes the mark of a grain that is zeros for the number of a sector.
        if disk_format in LIBYAL and "zeroed_grain" not in options:
            assert seen_by_libyal(path, disk_format) == expected
        checked_extents(reader)
        source = random.Random(len(expected))
        for _ in range(20):
            first, length = source.randrange(len(expected) + 1), source.choice([1, 512, 70_000])
            assert reader.read(first, length) == expected[first : first + length]
            checked_extents(reader, first, min(length, len(expected) - first))


def seen_by_libyal(path: Path, disk_format: str) -> bytes:
    library: Any = import_module(LIBYAL[disk_format])
    disk = library.handle() if disk_format == "vmdk" else library.file()
    disk.open(str(path))
    try:
        if disk_format == "vmdk":
            disk.open_extent_data_files()
        seen: bytes = disk.read_buffer_at_offset(disk.get_media_size(), 0)
        return seen
    finally:
        disk.close()


@pytest.mark.parametrize(("disk_format", "options"), CREATED)
def test_images_that_were_written_to(disk_format: str, options: str, tmp_path: Path) -> None:
    path, driver = tmp_path / "image", DRIVERS.get(disk_format, disk_format)
    run("qemu-img", "create", "-q", "-f", driver, *(["-o", options] if options else []), path, "9M")
    commands = [word for write in WRITES for word in ("-c", write)]
    run("qemu-io", "-t", "unsafe", "-d", "unmap", "-f", driver, *commands, path)
    assert_read_alike(path, disk_format, options)


def test_compressed_clusters_of_qcow(tmp_path: Path) -> None:
    path = tmp_path / "image"
    run("qemu-img", "create", "-q", "-f", "qcow", path, "3M")
    writes = ("write -c -P 7 0 4k", "write -c -P 8 64k 4k", "write -P 9 1M 9k", "write -c -P 3 2M 4k")
    run("qemu-io", "-f", "qcow", *[word for write in writes for word in ("-c", write)], path)
    assert_read_alike(path, "qcow")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("disk_format", "options", "compressed"), CONVERTED)
def test_images_that_were_converted(disk_format: str, options: str, compressed: str, size: int, tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "image"
    contents(source, size)
    words = ["-o", options] if options else []
    words += [compressed] if compressed else []
    run("qemu-img", "convert", "-f", "raw", "-O", DRIVERS.get(disk_format, disk_format), *words, source, path)
    assert_read_alike(path, disk_format, options)
