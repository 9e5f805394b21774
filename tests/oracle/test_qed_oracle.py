"""No false alarm: whatever `qemu-img` makes of QED is accepted, with the same virtual size."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from examining import examine
from stillage.formats.safety import Declaration, Policy, format_found, refusal

pytestmark = pytest.mark.oracle

SIZES = ["0", "512", "1000k", "4M", "4000000512"]
# QEMU makes tables of one cluster and cannot open them again.
OPTIONS = [f"cluster_size={cluster},table_size={table}" for cluster in ("4k", "64k", "1M") for table in (2, 4, 16)]
SCRIPTS = {
    "written": ["write -P 7 0 1k", "write -P 8 300k 70k", "write -P 9 999k 1k"],
    "backwards": ["write -P 9 3M 64k", "write -P 8 1M 4k", "write -P 7 0 512"],
    "full": ["write -P 7 0 4M"],
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
    expected = json.loads(qemu("qemu-img", "info", "--output=json", "-f", "qed", path))["virtual-size"]
    for size in (None, len(data)):
        findings = examine(data, size=size, cuts=range(0, len(data), 1 << 20))
        assert refusal(findings, Declaration("qed"), Policy()) is None, findings.hazards
        assert format_found(findings).virtual_size == expected


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_and_size(options: str, tmp_path: Path) -> None:
    for size in SIZES:
        qemu("qemu-img", "create", "-q", "-f", "qed", "-o", options, tmp_path / "image", size)
        assert_accepted(tmp_path / "image")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("options", [*OPTIONS, "preallocation=falloc", "preallocation=full"])
def test_every_option_after_writes(options: str, script: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu("qemu-img", "create", "-q", "-f", "qed", "-o", options, path, "4M")
    qemu(
        "qemu-io",
        "-t",
        "unsafe",
        "-f",
        "qed",
        *itertools.chain(*(("-c", command) for command in SCRIPTS[script])),
        path,
    )
    assert_accepted(path)


def test_after_growing(tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu("qemu-img", "create", "-q", "-f", "qed", path, "4M")
    qemu("qemu-img", "resize", "-q", "-f", "qed", path, "1T")
    qemu("qemu-io", "-t", "unsafe", "-f", "qed", "-c", "write -P 1 39G 1M", "-c", "write -z 5M 9M", path)
    assert_accepted(path)
