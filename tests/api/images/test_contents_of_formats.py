"""The map and the layout of one disk in every format, against the disk itself and against qemu-img."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from image_api import Person
from packed import packed, run
from qemu_images import run as qemu
from samples import load
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of

pytestmark = pytest.mark.oracle

MIB = 1 << 20
SIZE = 8 * MIB
BLOCK = 64 << 10
CELLS = 512
FOOTER = 512
"""Bytes that a fixed VHD has behind its disk."""
TABLE = "label: gpt\nstart=2048, size=2048, type=U, name=EFI\nstart=4096, size=8192, type=L, name=root\n"
QEMU = {
    "raw": ("raw", "raw", ""),
    "qcow2": ("qcow2", "qcow2", ""),
    "qcow2 zlib": ("qcow2", "qcow2", "compression_type=zlib"),
    "qcow2 zstd": ("qcow2", "qcow2", "compression_type=zstd"),
    "qcow": ("qcow", "qcow", ""),
    "qed": ("qed", "qed", ""),
    "vdi dynamic": ("vdi", "vdi", ""),
    "vdi static": ("vdi", "vdi", "static=on"),
    "vhd dynamic": ("vhd", "vpc", "force_size=on"),
    "vhd fixed": ("vhd", "vpc", "subformat=fixed,force_size=on"),
    "vhdx dynamic": ("vhdx", "vhdx", "block_size=1M"),
    "vhdx fixed": ("vhdx", "vhdx", "subformat=fixed,block_size=1M"),
    "vmdk monolithicSparse": ("vmdk", "vmdk", "subformat=monolithicSparse"),
    "vmdk streamOptimized": ("vmdk", "vmdk", "subformat=streamOptimized"),
}
"""By what it is: our name of the format, qemu-img's, and its options."""
OURS = {"zvhd": Output("zvhd"), "zvhd2": Output("zvhd2")}
UNITS = {"vdi": MIB, "vhd": 2 * MIB, "vhdx": MIB, "zvhd": 2 * MIB, "zvhd2": 2 * MIB}
"""Bytes that a format maps at once, where these are more than a block."""


class Disk(NamedTuple):
    """A disk in one format.

    Attributes:
        raw: What the guest sees of its beginning; the rest is zeros.
        driver: qemu-img's name of the format; empty if it does not know it.
        packs: What is stored is compressed, where it gets smaller.
    """

    disk_format: str
    raw: bytes
    file: Path
    driver: str
    packs: bool


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk with a partition table, a file system, and data at its middle."""
    disk = tmp_path_factory.mktemp("guest") / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(SIZE)
        file.seek(5 * MIB)
        file.write(run("noise", 7, 3 * BLOCK))
    subprocess.run(["/usr/sbin/sfdisk", "-q", str(disk)], input=TABLE, text=True, check=True)
    make = ["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-L", "system", "-E", f"offset={2 * MIB}", str(disk), "2048k"]
    subprocess.run(make, check=True)
    return disk


@pytest.fixture(params=[*QEMU, *OURS])
def disk(request: pytest.FixtureRequest, guest: Path, tmp_path: Path) -> Disk:
    name, raw, file = request.param, guest.read_bytes(), tmp_path / "disk"
    if name in OURS:
        file.write_bytes(packed(packer_of(OURS[name], SIZE, Made(bytes(16))), raw))
        return Disk(name, raw, file, "", packs=True)
    disk_format, driver, options = QEMU[name]
    packs = "compression" in options or "stream" in options
    given = [*(["-c"] if packs else []), *(["-o", options] if options else [])]
    qemu("qemu-img", "convert", "-f", "raw", "-O", driver, *given, guest, file)
    return Disk(disk_format, raw, file, driver, packs)


async def test_the_disk_in_each_format_has_the_same_partitions_and_data(erin: Person, disk: Disk) -> None:
    image = await erin.stored(disk.file.read_bytes(), disk_format=disk.disk_format)
    layout = (await erin("GET", f"/v2/images/{image['id']}/layout")).json
    assert layout["table"] == "gpt"
    found = [(part["first"], part["length"], part["name"], part["file_system"]) for part in layout["partitions"]]
    assert found == [(MIB, MIB, "EFI", None), (2 * MIB, 4 * MIB, "root", "ext4")]
    assert layout["partitions"][1]["label"] == "system"

    shown = (await erin("GET", f"/v2/images/{image['id']}/map?cells={CELLS}")).json
    assert shown["size"] == layout["size"] >= SIZE
    require_cells_of(disk, shown)
    require_parts_of(disk, shown["file"], image["size"])
    verdict = (await erin("GET", f"/v2/images/{image['id']}/verdict")).json
    assert (verdict["accepted"], verdict["rule"], verdict["format"]) == (True, None, disk.disk_format)
    assert (verdict["size"], verdict["virtual_size"]) == (image["size"], layout["size"])


def require_cells_of(disk: Disk, shown: dict[str, Any]) -> None:
    """Fail unless the cells have all data of the guest, and no more than the format's own units of it."""
    cells, blocks = shown["cells"], -(-shown["size"] // BLOCK)
    assert len(cells) == min(CELLS, blocks)
    held = blocks_with_data(disk.raw)
    there = {block for cell, share in enumerate(cells) if share for block in blocks_of(cell, len(cells), blocks)}
    assert held <= there
    if not is_allocated_whole(disk):
        unit = UNITS.get(disk.disk_format, BLOCK) // BLOCK
        per_cell = -(-blocks // len(cells))
        around = {near for block in held for near in range(block - unit - per_cell, block + unit + per_cell)}
        assert there <= around
        assert min(held) * BLOCK < shown["data"] < SIZE or unit > 1
    assert len(held) * BLOCK <= shown["data"] <= shown["size"]


def require_parts_of(disk: Disk, file: dict[str, Any], size: int) -> None:
    """Fail unless each part of the file is what qemu-img says that it is."""
    assert file["size"] == size
    shares = list(zip(file["data"], file["compressed"], file["holes"], strict=True))
    assert len(shares) == min(CELLS, size)
    assert all(0 <= share <= 1 for part in shares for share in part)
    assert all(sum(part) <= 1.001 for part in shares)
    assert any(file["compressed"]) == disk.packs
    assert any(file["data"]) or disk.packs
    assert any(file["holes"]) == (size in {SIZE, SIZE + FOOTER})
    for first, end in stored_by_qemu(disk):
        inside = range(-(-first * CELLS // size), end * CELLS // size)
        assert all(sum(shares[number]) > 0.99 for number in inside), (first, end)


def blocks_with_data(raw: bytes) -> set[int]:
    return {at // BLOCK for at in range(0, len(raw), BLOCK) if raw[at : at + BLOCK].strip(b"\0")}


def blocks_of(cell: int, cells: int, blocks: int) -> range:
    return range(blocks * cell // cells, blocks * (cell + 1) // cells)


def is_allocated_whole(disk: Disk) -> bool:
    return disk.disk_format in {"vhd", "vdi", "vhdx"} and disk.file.stat().st_size > SIZE


def stored_by_qemu(disk: Disk) -> Iterator[tuple[int, int]]:
    """Yield what of the file qemu-img calls data of the disk, where that is not compressed."""
    if disk.packs or disk.driver == "raw":
        return
    for extent in json.loads(qemu("qemu-img", "map", "--output=json", "-f", disk.driver, disk.file)):
        if extent["data"] and "offset" in extent:
            yield extent["offset"], extent["offset"] + extent["length"]


async def test_an_iso_is_its_own_file_system_and_has_holes(erin: Person) -> None:
    image = await erin.stored(load("small.iso"), disk_format="iso")
    layout = (await erin("GET", f"/v2/images/{image['id']}/layout")).json
    assert (layout["file_system"], layout["label"], layout["partitions"]) == ("iso9660", "STILLAGE", [])
    shown = (await erin("GET", f"/v2/images/{image['id']}/map?cells={CELLS}")).json
    held = blocks_with_data(load("small.iso"))
    assert {number for number, share in enumerate(shown["cells"]) if share} == held
