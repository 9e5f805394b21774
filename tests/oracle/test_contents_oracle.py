"""Partitions and file systems are found as the programs say that made them."""

import json
import subprocess
from pathlib import Path

import pytest

from stillage.formats.raw.read import RawDisk
from stillage.formats.reading import DiskReader
from stillage.operations.disks.contents import layout_of

pytestmark = pytest.mark.oracle

MIB = 1 << 20
SIZE = 64 * MIB
TABLES = {
    "gpt": ["label: gpt", "start=2048, size=32768, name=boot", "start=34816, size=65536, name=rest"],
    "dos": [
        "label: dos",
        "start=2048, size=32768, type=83",
        "start=34816, size=90000, type=5",
        "start=36864, size=20000, type=83",
    ],
}


def run(*command: str | Path, stdin: str = "") -> str:
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", TABLES)
def test_partitions_are_those_of_sfdisk(kind: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(SIZE)
    run("/usr/sbin/sfdisk", "-q", disk, stdin="\n".join(TABLES[kind]))
    run("/usr/sbin/mke2fs", "-q", "-t", "ext4", "-L", "system", "-E", f"offset={MIB}", disk, "16384k")
    table = json.loads(run("/usr/sbin/sfdisk", "--json", disk))["partitiontable"]
    data = disk.read_bytes()
    layout = layout_of(DiskReader(RawDisk(SIZE, SIZE), lambda first, length: data[first : first + length]))
    assert layout.table == {"gpt": "gpt", "dos": "mbr"}[kind]
    assert [(part.first, part.length, part.name) for part, _ in layout.partitions] == [
        (part["start"] * 512, part["size"] * 512, part.get("name", "")) for part in table["partitions"]
    ]
    assert [part.kind for part, _ in layout.partitions] == [
        part["type"].lower().zfill(2) for part in table["partitions"]
    ]
    assert layout.partitions[0][1] == ("ext4", "system")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("ext2", ["mke2fs", "-q", "-t", "ext2", "-L", "label"]),
        ("ext3", ["mke2fs", "-q", "-t", "ext3", "-L", "label"]),
        ("ext4", ["mke2fs", "-q", "-t", "ext4", "-L", "label"]),
        ("swap", ["mkswap", "-q", "-L", "label"]),
    ],
)
def test_a_file_system_is_what_made_it(kind: str, command: list[str], tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(16 * MIB)
    run(f"/usr/sbin/{command[0]}", *command[1:], disk)
    data = disk.read_bytes()
    layout = layout_of(DiskReader(RawDisk(len(data), len(data)), lambda first, length: data[first : first + length]))
    assert (layout.table, layout.file_system, layout.partitions) == ("", (kind, "label"), [])
