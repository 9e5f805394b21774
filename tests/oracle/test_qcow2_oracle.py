"""No false alarm: whatever `qemu-img` makes of QCOW2 is accepted, with the same virtual size."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from examining import examine
from stillage.formats.safety import Declaration, Policy, format_found, refusal

pytestmark = pytest.mark.oracle

SIZES = ["0", "512", "1000k", "4M", "5000001536"]
OPTIONS = [
    *[f"cluster_size={size}" for size in ("512", "1k", "4k", "16k", "64k", "256k", "2M")],
    "compat=0.10",
    "compat=0.10,cluster_size=512",
    *[f"refcount_bits={bits}" for bits in (1, 2, 4, 8, 32, 64)],
    "lazy_refcounts=on",
    "compression_type=zstd",
    "extended_l2=on",
    "extended_l2=on,cluster_size=16k",
    "extended_l2=on,cluster_size=2M",
]
PREALLOCATIONS = ["metadata", "falloc", "full"]
SCRIPTS = {
    "written": ["write -P 7 0 1k", "write -P 8 300k 70k", "write -P 9 999k 1k"],
    "backwards": ["write -P 9 3M 64k", "write -P 8 1M 4k", "write -P 7 0 512"],
    "discarded": ["write -P 7 0 4M", "discard 64k 1M", "write -P 5 200k 100k", "discard 3M 1M"],
    "zeroed": ["write -P 7 0 4M", "write -z 64k 1M", "write -z -u 2M 1M", "write -P 3 2M 3k"],
}


def qemu(*command: str | Path) -> str:
    program = shutil.which(str(command[0]))
    if program is None:
        pytest.fail(f"{command[0]} is missing; install qemu-utils (Debian)", pytrace=False)
    done = subprocess.run([program, *map(str, command[1:])], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{command}: {done.stderr}", pytrace=False)
    return done.stdout


def make(path: Path, options: str, size: str, writes: list[str]) -> Path:
    qemu("qemu-img", "create", "-q", "-f", "qcow2", *(["-o", options] if options else []), path, size)
    if writes:
        qemu(
            "qemu-io",
            "-t",
            "unsafe",
            "-f",
            "qcow2",
            "-d",
            "unmap",
            *itertools.chain(*(("-c", command) for command in writes)),
            path,
        )
    return path


def assert_accepted(path: Path, policy: Policy | None = None) -> None:
    data = path.read_bytes()
    expected = json.loads(qemu("qemu-img", "info", "--output=json", "-f", "qcow2", path))["virtual-size"]
    for size in (None, len(data)):
        findings = examine(data, size=size, cuts=range(0, len(data), 1 << 20))
        assert refusal(findings, Declaration("qcow2"), policy or Policy()) is None, findings.hazards
        assert format_found(findings).virtual_size == expected


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_and_size(options: str, tmp_path: Path) -> None:
    for size in SIZES:
        assert_accepted(make(tmp_path / "image", options, size, []))


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_after_writes(options: str, script: str, tmp_path: Path) -> None:
    assert_accepted(make(tmp_path / "image", options, "4M", SCRIPTS[script]))


@pytest.mark.parametrize("preallocation", PREALLOCATIONS)
@pytest.mark.parametrize("options", ["cluster_size=512", "cluster_size=4k", "cluster_size=2M", "compat=0.10", ""])
def test_every_preallocation(options: str, preallocation: str, tmp_path: Path) -> None:
    chosen = ",".join(filter(None, (options, f"preallocation={preallocation}")))
    for size in ("1000k", "4M"):
        assert_accepted(make(tmp_path / "image", chosen, size, []))
    assert_accepted(make(tmp_path / "image", chosen, "4M", SCRIPTS["discarded"]))


@pytest.mark.parametrize("more", [[], ["-m", "1"], ["-W"]])
@pytest.mark.parametrize("method", ["zlib", "zstd"])
@pytest.mark.parametrize("options", ["cluster_size=512", "cluster_size=4k", "cluster_size=64k", "cluster_size=2M"])
def test_compressed(options: str, method: str, more: list[str], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(b"".join(bytes([n % 251]) * 700 + n.to_bytes(8, "big") for n in range(6001)))
    target = tmp_path / "image"
    chosen = f"{options},compression_type={method}"
    qemu("qemu-img", "convert", "-q", "-c", *more, "-f", "raw", "-O", "qcow2", "-o", chosen, raw, target)
    assert_accepted(target)
    qemu("qemu-io", "-t", "unsafe", "-f", "qcow2", "-c", "write -P 3 100k 9k", target)
    assert_accepted(target)


def test_compressed_with_extended_l2(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(b"text " * 800_000)
    target = tmp_path / "image"
    qemu("qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", "-o", "extended_l2=on", raw, target)
    qemu("qemu-io", "-t", "unsafe", "-f", "qcow2", "-c", "write -P 3 100k 1k", target)
    assert_accepted(target)


@pytest.mark.parametrize("options", ["cluster_size=512", "cluster_size=4k", "", "compat=0.10", "extended_l2=on"])
def test_after_resizing(options: str, tmp_path: Path) -> None:
    path = make(tmp_path / "image", options, "2M", ["write -P 7 0 600k"])
    qemu("qemu-img", "resize", "-q", "-f", "qcow2", path, "64M" if "cluster_size" in options else "40G")
    assert_accepted(path)
    qemu("qemu-io", "-t", "unsafe", "-f", "qcow2", "-c", "write -P 1 60M 300k", path)
    assert_accepted(path)
    qemu("qemu-img", "resize", "-q", "-f", "qcow2", "--shrink", path, "1000k")
    assert_accepted(path)


@pytest.mark.parametrize("options", ["cluster_size=512", "", "compat=0.10", "extended_l2=on"])
def test_snapshots_are_checked_where_the_policy_allows_them_and_leave_no_trace(options: str, tmp_path: Path) -> None:
    path = make(tmp_path / "image", options, "4M", SCRIPTS["written"])
    for name in ("one", "two"):
        qemu("qemu-img", "snapshot", "-q", "-c", name, path)
        qemu(
            "qemu-io", "-t", "unsafe", "-f", "qcow2", "-c", f"write -P {len(name)} 100k 300k", "-c", "write 2M 9k", path
        )
    assert_accepted(path, Policy(allowed=frozenset({"qcow2.internal-snapshot"})))
    for name in ("one", "two"):
        qemu("qemu-img", "snapshot", "-q", "-d", name, path)
    assert_accepted(path)


@pytest.mark.parametrize("options", ["cluster_size=512", "", "cluster_size=2M"])
def test_saved_bitmaps(options: str, tmp_path: Path) -> None:
    path = make(tmp_path / "image", options, "40M", SCRIPTS["written"])
    for name in ("one", "two"):
        qemu("qemu-img", "bitmap", "--add", "-f", "qcow2", path, name)
        qemu("qemu-io", "-t", "unsafe", "-f", "qcow2", "-c", "write 1M 3M", path)
    assert_accepted(path)
    qemu("qemu-img", "bitmap", "--remove", "-f", "qcow2", path, "one")
    assert_accepted(path)


def test_a_backing_file_that_is_gone(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "", "4M", SCRIPTS["written"])
    for mode in ([], ["-u"]):
        path = tmp_path / "image"
        qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path)
        qemu("qemu-img", "rebase", "-q", *mode, "-b", "", path)
        assert_accepted(path)


@pytest.mark.parametrize("versions", [("1.1", "0.10"), ("0.10", "1.1")])
def test_an_image_that_was_amended(versions: tuple[str, str], tmp_path: Path) -> None:
    path = make(tmp_path / "image", f"compat={versions[0]}", "4M", SCRIPTS["discarded"])
    qemu("qemu-img", "amend", "-q", "-f", "qcow2", "-o", f"compat={versions[1]}", path)
    assert_accepted(path)
