"""What `stillage upload` and `stillage inspect` say of a file that is accepted and may still be the wrong one."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qemu_images import run
from stillage.cli.hinting import hints_about
from stillage.cli.main import app
from stillage.formats.hints import BARE

NOISE = bytes(range(1, 256)) * 400


def inspected(file: Path) -> list[str]:
    done = CliRunner().invoke(app, ["inspect", "--json", str(file)])
    hints: list[str] = json.loads(done.output)["hints"]
    return hints


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhdx", "vpc", "raw"])
def test_both_see_the_same(tmp_path: Path, kind: str) -> None:
    disk, wrong = tmp_path / f"disk.{'vhd' if kind == 'vpc' else kind}", tmp_path / "disk.iso"
    run("qemu-img", "create", "-q", "-f", kind, disk, "1M")
    os.link(disk, wrong)
    assert hints_about(str(disk)) == inspected(disk) == ([BARE] if kind == "raw" else [])
    if kind != "raw":
        assert (
            hints_about(str(wrong))
            == inspected(wrong)
            == [f"its name ends in .iso, and its bytes are {disk.suffix[1:]}"]
        )


def test_noise_with_the_name_of_a_format(tmp_path: Path) -> None:
    file = tmp_path / "noise.qcow2"
    file.write_bytes(NOISE)
    assert hints_about(str(file)) == inspected(file) == ["its name ends in .qcow2, and its bytes are raw", BARE]
    done = CliRunner().invoke(app, ["inspect", str(file)])
    assert done.exit_code == 0
    assert f"hint: {BARE}" in done.output


def test_what_cannot_be_read_has_no_hints(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.qcow2")
    for name in ("pipe.qcow2", "nothing", "."):
        assert hints_about(str(tmp_path / name)) == []
