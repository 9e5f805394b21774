"""What qemu-img makes as raw and as LUKS, and what it says of them.

The images are made by the test itself; nothing else is ever given to qemu-img.
"""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from examining import examine
from stillage.formats.safety import Declaration, Policy, format_found, refusal

pytestmark = pytest.mark.oracle

KIB, MIB = 1 << 10, 1 << 20
SIZES = [512, 4096, 65_536, MIB, MIB + 512, 3 * MIB, 8 * MIB]
LUKS = [
    (64 * KIB, []),
    (3 * MIB + 512, ["cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=plain64"]),
    (MIB, ["cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha512"]),
    (4 * MIB, ["cipher-alg=aes-128,hash-alg=sha1", "preallocation=full"]),
]
TRIES = 20


@pytest.fixture(scope="session")
def qemu_img() -> str:
    found = shutil.which("qemu-img")
    assert found is not None, "qemu-img is missing: install qemu-utils"
    return found


def run(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def virtual_size(qemu_img: str, image: Path, form: str) -> int:
    told: dict[str, Any] = json.loads(run(qemu_img, "info", "-f", form, "--output=json", image))
    return int(told["virtual-size"])


def judged(data: bytes, *, allowed: frozenset[str] = frozenset()) -> int | None:
    """The virtual size that we find; fails when the image is refused."""
    findings = examine(data)
    assert refusal(findings, Declaration("raw"), Policy(allowed=allowed)) is None
    return format_found(findings).virtual_size


def partitioned(size: int) -> bytes:
    table = struct.pack("<B3xB3xII", 0x80, 0x83, 1, size // 512 - 1)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("preallocation", ["off", "full", "falloc"])
def test_a_raw_disk_has_the_size_that_qemu_says(qemu_img: str, tmp_path: Path, size: int, preallocation: str) -> None:
    image = tmp_path / "disk.raw"
    run(qemu_img, "create", "-q", "-f", "raw", "-o", f"preallocation={preallocation}", image, str(size))
    assert judged(image.read_bytes()) == virtual_size(qemu_img, image, "raw")


@pytest.mark.parametrize("size", SIZES)
def test_a_partitioned_disk_survives_a_conversion(qemu_img: str, tmp_path: Path, size: int) -> None:
    source, image = tmp_path / "source.raw", tmp_path / "disk.raw"
    source.write_bytes(partitioned(size).ljust(size, b"\0"))
    run(qemu_img, "convert", "-f", "raw", "-O", "raw", source, image)
    findings = examine(image.read_bytes())
    assert refusal(findings, Declaration("raw"), Policy()) is None
    assert format_found(findings).subformat == ("mbr" if size > 512 else "")
    assert format_found(findings).virtual_size == virtual_size(qemu_img, image, "raw")


@pytest.mark.parametrize("size", [64 * KIB, MIB + 512, 4 * MIB])
def test_a_resized_disk_has_the_size_that_qemu_says(qemu_img: str, tmp_path: Path, size: int) -> None:
    image = tmp_path / "disk.raw"
    run(qemu_img, "create", "-q", "-f", "raw", image, "1M")
    run(qemu_img, "resize", "-q", "-f", "raw", "--shrink", image, str(size))
    assert judged(image.read_bytes()) == virtual_size(qemu_img, image, "raw") == size


def create_luks(qemu_img: str, image: Path, size: int, options: list[str]) -> None:
    settings = ",".join(["key-secret=key", "iter-time=10", *options])
    command = [qemu_img, "create", "-q", "--object", "secret,id=key,data=stillage", "-f", "luks", "-o", settings]
    for _ in range(TRIES):
        made = subprocess.run([*command, str(image), str(size)], check=False, capture_output=True, text=True)
        if made.returncode == 0:
            return
        # It times its key derivation by the CPU clock, which is too coarse on some machines.
        assert "Unable to get accurate CPU usage" in made.stderr, made.stderr
    pytest.fail(f"qemu-img could not time its key derivation in {TRIES} tries")


@pytest.mark.parametrize(("size", "options"), LUKS, ids=str)
def test_a_luks_container_is_known_with_the_size_inside(
    qemu_img: str, tmp_path: Path, size: int, options: list[str]
) -> None:
    image = tmp_path / "disk.luks"
    create_luks(qemu_img, image, size, options)
    data = image.read_bytes()
    refused = refusal(examine(data), Declaration("raw"), Policy())
    assert refused is not None
    assert refused.rule == "luks.encrypted"
    inside = judged(data, allowed=frozenset({"luks.encrypted"}))
    assert inside == virtual_size(qemu_img, image, "luks") == size
