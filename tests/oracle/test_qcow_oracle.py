"""No false alarm: whatever `qemu-img` makes of QCOW, version 1, is accepted, with the same virtual size."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from examining import examine
from stillage.formats.safety import Declaration, Policy, format_found, refusal

pytestmark = pytest.mark.oracle

SIZES = ["512", "1000k", "4M", "5000001536", "1T"]
SCRIPTS = {
    "written": ["write -P 7 0 1k", "write -P 8 300k 70k", "write -P 9 999k 1k"],
    "backwards": ["write -P 9 3M 64k", "write -P 8 1M 4k", "write -P 7 0 512"],
    "full": ["write -P 7 0 4M"],
    "packed": ["write -c -P 7 0 4k", "write -c -P 8 64k 4k", "write -P 9 1M 9k", "write -c -P 3 2M 4k"],
}


def qemu(*command: str | Path) -> str:
    program = shutil.which(str(command[0]))
    if program is None:
        pytest.fail(f"{command[0]} is missing; install qemu-utils (Debian)", pytrace=False)
    done = subprocess.run([program, *map(str, command[1:])], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{command}: {done.stderr}", pytrace=False)
    return done.stdout


def assert_accepted(path: Path) -> None:
    data = path.read_bytes()
    expected = json.loads(qemu("qemu-img", "info", "--output=json", "-f", "qcow", path))["virtual-size"]
    for size in (None, len(data)):
        findings = examine(data, size=size, cuts=range(0, len(data), 1 << 20))
        assert refusal(findings, Declaration("qcow"), Policy()) is None, findings.hazards
        assert format_found(findings).virtual_size == expected


@pytest.mark.parametrize("size", SIZES)
def test_every_size(size: str, tmp_path: Path) -> None:
    qemu("qemu-img", "create", "-q", "-f", "qcow", tmp_path / "image", size)
    assert_accepted(tmp_path / "image")


@pytest.mark.parametrize("preallocation", ["off", "falloc", "full"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_preallocation_after_writes(script: str, preallocation: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu("qemu-img", "create", "-q", "-f", "qcow", "-o", f"preallocation={preallocation}", path, "4M")
    qemu(
        "qemu-io",
        "-t",
        "unsafe",
        "-f",
        "qcow",
        *itertools.chain(*(("-c", command) for command in SCRIPTS[script])),
        path,
    )
    assert_accepted(path)


def test_small_clusters_of_an_image_that_lost_its_backing_file(tmp_path: Path) -> None:
    path, base = tmp_path / "image", tmp_path / "base"
    qemu("qemu-img", "create", "-q", "-f", "raw", base, "4M")
    qemu("qemu-img", "create", "-q", "-f", "qcow", "-b", base, "-F", "raw", path)
    qemu("qemu-io", "-t", "unsafe", "-f", "qcow", "-c", "write -P 7 10k 300k", path)
    data = bytearray(path.read_bytes())
    data[8:20] = bytes(12)
    path.write_bytes(data)
    assert_accepted(path)
