"""What cryptsetup makes as LUKS 1 and 2, and what it and qemu-img say of it.

qemu-img could make such containers as well, but times its key derivation by a clock of the CPU that is too coarse on
some machines. cryptsetup is told how often to iterate. The images are made by the test itself.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from examining import examine
from qemu_images import virtual_size
from stillage.formats.safety import Declaration, Policy, format_found, refusal

pytestmark = pytest.mark.oracle

KIB, MIB = 1 << 10, 1 << 20
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
MADE_AS = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--disable-locks", "--batch-mode"]
LUKS1 = [
    (4 * MIB + 512, []),
    (3 * MIB, ["--cipher", "aes-cbc-essiv:sha256", "--key-size", "128"]),
    (8 * MIB, ["--cipher", "aes-xts-plain64", "--hash", "sha512", "--align-payload", "8192"]),
]
LUKS2 = [
    (20 * MIB, []),
    (3 * MIB + 512, ["--luks2-metadata-size", "32k", "--luks2-keyslots-size", "512k", "--sector-size", "512"]),
    (8 * MIB, ["--luks2-metadata-size", "64k", "--luks2-keyslots-size", "1m", "--offset", "8192"]),
]


def cryptsetup(*words: str | Path) -> str:
    program = shutil.which("cryptsetup", path=PATH)
    assert program is not None, "cryptsetup is needed here; install Debian's cryptsetup-bin"
    command = [program, *(str(word) for word in words)]
    done = subprocess.run(command, input="stillage", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def container(path: Path, version: str, size: int, options: list[str]) -> bytes:
    with path.open("wb") as image:
        image.truncate(size)
    cryptsetup("luksFormat", "--type", version, *MADE_AS, *options, path, "-")
    return path.read_bytes()


def size_inside(data: bytes) -> int | None:
    """The virtual size that we find; fails unless the image is refused by default and taken where that is allowed."""
    findings = examine(data)
    refused = refusal(findings, Declaration("raw"), Policy())
    assert refused is not None
    assert refused.rule == "luks.encrypted"
    assert refusal(findings, Declaration("raw"), Policy(allowed=frozenset({"luks.encrypted"}))) is None
    return format_found(findings).virtual_size


@pytest.mark.parametrize(("size", "options"), LUKS1, ids=str)
def test_a_luks1_container_is_known_with_the_size_that_qemu_says(tmp_path: Path, size: int, options: list[str]) -> None:
    image = tmp_path / "disk.luks"
    data = container(image, "luks1", size, options)
    assert size_inside(data) == virtual_size(image, "luks")


@pytest.mark.parametrize(("size", "options"), LUKS2, ids=str)
def test_a_luks2_container_is_known_with_the_size_that_cryptsetup_says(
    tmp_path: Path, size: int, options: list[str]
) -> None:
    image = tmp_path / "disk.luks"
    data = container(image, "luks2", size, options)
    told = json.loads(cryptsetup("luksDump", "--disable-locks", "--dump-json-metadata", image))
    assert size_inside(data) == size - int(told["segments"]["0"]["offset"])
