"""What qemu-img makes as raw, and what it says of it.

The images are made by the test itself; nothing else is ever given to qemu-img.
"""

import struct
from pathlib import Path

import pytest

from examining import examine
from qemu_images import run, virtual_size
from stillage.formats.safety import Declaration, Policy, format_found, refusal

pytestmark = pytest.mark.oracle

KIB, MIB = 1 << 10, 1 << 20
SIZES = [512, 4096, 65_536, MIB, MIB + 512, 3 * MIB, 8 * MIB]


def inspected(data: bytes) -> int | None:
    """The virtual size that we find; fails when the image is refused."""
    findings = examine(data)
    assert refusal(findings, Declaration("raw"), Policy()) is None
    return format_found(findings).virtual_size


def partitioned(size: int) -> bytes:
    table = struct.pack("<B3xB3xII", 0x80, 0x83, 1, size // 512 - 1)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("preallocation", ["off", "full", "falloc"])
def test_a_raw_disk_has_the_size_that_qemu_says(tmp_path: Path, size: int, preallocation: str) -> None:
    image = tmp_path / "disk.raw"
    run("qemu-img", "create", "-q", "-f", "raw", "-o", f"preallocation={preallocation}", image, str(size))
    assert inspected(image.read_bytes()) == virtual_size(image, "raw")


@pytest.mark.parametrize("size", SIZES)
def test_a_partitioned_disk_survives_a_conversion(tmp_path: Path, size: int) -> None:
    source, image = tmp_path / "source.raw", tmp_path / "disk.raw"
    source.write_bytes(partitioned(size).ljust(size, b"\0"))
    run("qemu-img", "convert", "-f", "raw", "-O", "raw", source, image)
    findings = examine(image.read_bytes())
    assert refusal(findings, Declaration("raw"), Policy()) is None
    assert format_found(findings).subformat == ("mbr" if size > 512 else "")
    assert format_found(findings).virtual_size == virtual_size(image, "raw")


@pytest.mark.parametrize("size", [64 * KIB, MIB + 512, 4 * MIB])
def test_a_resized_disk_has_the_size_that_qemu_says(tmp_path: Path, size: int) -> None:
    image = tmp_path / "disk.raw"
    run("qemu-img", "create", "-q", "-f", "raw", image, "1M")
    run("qemu-img", "resize", "-q", "-f", "raw", "--shrink", image, str(size))
    assert inspected(image.read_bytes()) == virtual_size(image, "raw") == size
