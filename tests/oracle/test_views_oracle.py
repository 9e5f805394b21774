"""QEMU sees the same disk in every view of it, of the same size, and finds nothing to repair.

`STILLAGE_DISKS` says how many random disks become every output; `make disks` tries 1,000. An ordinary run tries 200
disks, each as one output.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from qemu_images import run
from random_disks import RandomDisk, disks, noise
from stillage.formats.views.outputs import OUTPUTS

pytestmark = pytest.mark.oracle

EXAMPLES = int(os.environ.get("STILLAGE_DISKS", "0"))
ORDINARY = 200
DRIVERS = {"vhd": "vpc"}
READ_WHOLE = 1 << 30
CHECKED = ("qcow2", "qed", "vdi", "vhdx", "vmdk")


@pytest.mark.parametrize("kind", OUTPUTS, ids="-".join)
def test_qemu_sees_the_disk_of_a_view(kind: tuple[str, str], tmp_path: Path) -> None:
    # The same ones in every ordinary run: new ones are for the long run, which somebody watches.
    @settings(
        max_examples=EXAMPLES or -(-ORDINARY // len(OUTPUTS)),
        derandomize=not EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )
    @given(disk=disks())
    def each(disk: RandomDisk) -> None:
        if kind[0] == "vhdx" and disk.size > READ_WHOLE:
            return  # QEMU reads its holes
        raw = disk.write(tmp_path / "disk.raw")
        image = disk.write_view(disk.view(*kind), tmp_path / "image")
        driver = DRIVERS.get(kind[0], kind[0])
        seen = run("qemu-img", "compare", "-f", "raw", "-F", driver, raw, image)
        assert seen == "Images are identical.\n"
        if kind[0] in CHECKED:
            assert "No errors were found" in run("qemu-img", "check", "-f", driver, image)

    each()


def test_qemu_finds_blocks_behind_the_first_chunk_of_a_vhdx(tmp_path: Path) -> None:
    chunk = 4 << 30
    disk = RandomDisk(chunk + (2 << 20), ((chunk - 512, 512), (chunk + (1 << 20), 512)))
    image = disk.write_view(disk.view("vhdx", "dynamic"), tmp_path / "image")
    seen = tmp_path / "seen"
    for at, length in disk.runs:
        # QEMU 7.2 counts from the start of the disk, not from what it skips.
        what = (f"skip={at // 512}", f"count={at // 512 + 1}", "bs=512", f"if={image}", f"of={seen}")
        run("qemu-img", "dd", "-f", "vhdx", "-O", "raw", *what)
        assert seen.read_bytes()[:512] == noise(at, length)
