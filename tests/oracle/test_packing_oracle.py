"""QEMU, our own inspectors and our own readers see the same disk in every compressed image that we write.

`STILLAGE_DISKS` says how many random disks become every output, as in `test_views_oracle.py`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from packed import packed
from packed import run as data_of
from qemu_images import inspected, run
from random_disks import RandomDisk, disks
from stillage.conversion.compare import first_difference
from stillage.conversion.convert import convert
from stillage.conversion.pool import Pool
from stillage.conversion.source import Source, source_of
from stillage.conversion.wanted import Wanted
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import OUTPUTS
from stillage.formats.packing.qcow2 import PackedQcow2
from stillage.formats.readers import READERS

pytestmark = pytest.mark.oracle

EXAMPLES = int(os.environ.get("STILLAGE_DISKS", "0"))
ORDINARY = 16
KINDS = ("noise", "byte", "text")
PACKED = [Wanted(*output) for output in OUTPUTS]
READ_BY_QEMU = ("vmdk", "qcow2")
MADE = Made(bytes(range(16)))


class Silent:
    def begin(self, what: str, total: int, done: int = 0) -> None:
        pass

    def advance(self, count: int) -> None:
        pass


@contextmanager
def opened(path: Path, disk_format: str) -> Iterator[Source]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield source_of(descriptor, path.stat().st_size, disk_format)
    finally:
        os.close(descriptor)


def written(disk: RandomDisk, path: Path) -> Path:
    """The disk as a raw file, some of its runs noise and some of them bytes that become few."""
    with path.open("wb") as file:
        file.truncate(disk.size)
        for at, length in disk.runs:
            file.seek(at)
            file.write(data_of(KINDS[at // 512 % 3], at // 512 % 255 + 1, length))
    return path


def converted(source_: Path, wanted: Wanted, path: Path, pool: Pool, *, source_format: str = "raw") -> Path:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        with opened(source_, source_format) as source:
            convert(source, wanted, descriptor, MADE, pool, Silent())
    finally:
        os.close(descriptor)
    return path


@pytest.mark.parametrize("wanted", PACKED, ids=str)
def test_everybody_sees_the_disk_of_a_compressed_image(wanted: Wanted, tmp_path: Path) -> None:
    @settings(max_examples=EXAMPLES or ORDINARY, derandomize=not EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(disk=disks())
    def each(disk: RandomDisk) -> None:
        raw = written(disk, tmp_path / "disk.raw")
        image = converted(raw, wanted, tmp_path / "image", pool)
        refusal, size = inspected(image, wanted.disk_format)
        assert refusal is None
        if wanted.disk_format in READ_BY_QEMU:
            assert size == disk.size
            seen = run("qemu-img", "compare", "-f", "raw", "-F", wanted.disk_format, raw, image)
            assert seen == "Images are identical.\n"
            assert "No errors were found" in run("qemu-img", "check", "-f", wanted.disk_format, image)
        if wanted.disk_format in READERS:
            with opened(raw, "raw") as one, opened(image, wanted.disk_format) as other:
                assert first_difference(one, other, pool) is None

    with Pool(2) as pool:
        each()


@pytest.mark.parametrize("writer", ["qemu", "stillage"])
def test_qemu_sees_the_disk_of_a_stream_whose_grains_were_moved(writer: str, tmp_path: Path) -> None:
    disk = b"".join(data_of(kind, 3, 200_192) + bytes(300_000 // 512 * 512) for kind in KINDS) + b"end".ljust(512)
    raw, stream, image = tmp_path / "raw", tmp_path / "stream", tmp_path / "image"
    raw.write_bytes(disk)
    with Pool(2) as pool:
        if writer == "qemu":
            run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, stream)
        else:
            converted(raw, Wanted("vmdk", "streamOptimized"), stream, pool)
        converted(stream, Wanted("qcow2", compression="zlib"), image, pool, source_format="vmdk")
    assert inspected(image, "qcow2") == (None, len(disk))
    assert run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, image) == "Images are identical.\n"
    assert "No errors were found" in run("qemu-img", "check", "-f", "qcow2", image)


def test_a_qcow2_of_several_refcount_blocks_is_consistent(tmp_path: Path) -> None:
    # With clusters of 4 KiB a block counts 2,048 of them, and 8 MiB are enough.
    guest = data_of("noise", 5, 12 << 20)
    raw, image = tmp_path / "disk.raw", tmp_path / "image"
    raw.write_bytes(guest)
    image.write_bytes(packed(PackedQcow2(len(guest), "zlib", cluster_bits=12), guest))
    assert run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, image) == "Images are identical.\n"
    assert "No errors were found" in run("qemu-img", "check", "-f", "qcow2", image)
