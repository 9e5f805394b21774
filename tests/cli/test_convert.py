"""``stillage convert``, in process and with real files."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from packed import run
from samples import load
from stillage.cli import converting
from stillage.cli.main import app
from stillage.client.local import inspect_file
from stillage.conversion import compare
from stillage.conversion.wanted import CHOICES, Wanted

DISK = run("text", 1, 200_192) + bytes(3 << 20) + run("noise", 2, 70_144)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.raw").write_bytes(DISK)
    return tmp_path


def convert(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["convert", *arguments])


def view(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(convert("--json", *arguments).stdout)
    return document


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def options(wanted: Wanted) -> list[str]:
    words = ["-O", wanted.disk_format]
    words += ["--subformat", wanted.subformat] if wanted.subformat else []
    return words + (["--compress", wanted.compression] if wanted.compression else [])


@pytest.mark.parametrize("wanted", CHOICES, ids=str)
def test_every_output_is_read_back_as_the_same_disk(wanted: Wanted, folder: Path) -> None:
    there = view("disk.raw", "made", "--check", *options(wanted))
    assert (there["status"], there["checked"], there["hazards"]) == (0, True, [])
    assert (there["output_format"], there["output_subformat"] or "") == (wanted.disk_format, wanted.subformat)
    back = view("made", "back.raw")
    assert (back["status"], back["format"]) == (0, wanted.disk_format)
    assert back["allocated"] < 1 << 20
    with (folder / "back.raw").open("rb") as file:
        assert file.read(len(DISK)) == DISK


def test_the_format_follows_from_the_suffix(folder: Path) -> None:
    assert view("disk.raw", "disk.QCOW2")["output_format"] == "qcow2"
    assert (folder / "disk.QCOW2").read_bytes().startswith(b"QFI\xfb\0\0\0\3")


def test_a_result_is_one_line(folder: Path) -> None:
    done = convert("disk.raw", "disk.zvhd")
    assert done.exit_code == 0
    assert done.stdout.startswith("disk.zvhd: zvhd, a disk of 3.4 MB in ")
    assert done.stdout.count("\n") == 1


def test_holes_stay_holes(folder: Path) -> None:
    with (folder / "large.raw").open("wb") as file:
        file.write(b"x")
        file.truncate(1 << 30)
    done = view("large.raw", "large.qcow2")
    assert done["size"] < 1 << 20
    assert view("large.qcow2", "again.raw")["allocated"] < 1 << 20
    assert view("large.raw", "copy.raw")["allocated"] < 1 << 20


def test_stored_zeros_become_holes(folder: Path) -> None:
    done = view("disk.raw", "copy.raw")
    assert done["size"] == len(DISK)
    assert done["allocated"] < 1 << 20


def test_a_part_of_a_sector_becomes_a_whole_one(folder: Path) -> None:
    (folder / "odd.raw").write_bytes(DISK + b"x")
    assert view("odd.raw", "odd.vmdk", "--check")["virtual_size"] == len(DISK) + 512


def test_what_an_inspection_refuses_is_refused_with_its_rule_and_fix(folder: Path) -> None:
    (folder / "bad.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    done = convert("bad.qcow2", "out.raw")
    assert done.exit_code == 1
    assert "qcow2.backing-file at byte 8" in done.stderr
    assert "fix: qemu-img convert -O qcow2 bad.qcow2 OUT" in done.stderr
    document = view("bad.qcow2", "out.raw")
    assert (document["status"], document["code"], document["size"]) == (1, "refused_locally", None)
    assert document["hazards"][0]["rule"] == "qcow2.backing-file"
    assert names(folder) == ["bad.qcow2", "disk.raw"]


def test_a_file_of_another_format_than_was_said_is_refused(folder: Path) -> None:
    document = view("disk.raw", "out.raw", "--disk-format", "qcow2")
    assert document["status"] == 1
    assert "format.mismatch" in [hazard["rule"] for hazard in document["hazards"]]


def test_an_existing_file_is_overwritten_only_if_that_was_asked_for(folder: Path) -> None:
    (folder / "out.qed").write_bytes(b"precious")
    document = view("disk.raw", "out.qed")
    assert (document["status"], document["code"]) == (2, "unusable_file")
    assert (folder / "out.qed").read_bytes() == b"precious"
    assert view("disk.raw", "out.qed", "--force")["status"] == 0
    assert (folder / "out.qed").read_bytes().startswith(b"QED\0")


def test_a_file_is_not_converted_onto_itself(folder: Path) -> None:
    (folder / "link.raw").symlink_to("disk.raw")
    document = view("disk.raw", "link.raw", "--force")
    assert document["status"] == 2
    assert "same file" in document["error"]
    assert (folder / "disk.raw").read_bytes() == DISK


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.raw", "out.raw"), "cannot read it: No such file or directory"),
        ((".", "out.raw"), "cannot read it: Is a directory"),
        (("disk.raw", "nowhere/out.raw"), "cannot write nowhere/out.raw: No such file or directory"),
        (("disk.raw", "."), "exists, and is not a file"),
    ],
)
def test_what_cannot_be_read_or_written_is_a_sentence(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = convert(*arguments, "-O", "raw")
    assert done.exit_code == 2
    assert message in done.stderr


def test_an_unknown_output_names_those_that_there_are(folder: Path) -> None:
    assert "name the format" in convert("disk.raw", "out").stderr
    document = view("disk.raw", "out.vmdk", "--subformat", "monolithicFlat")
    assert (document["status"], document["code"]) == (2, "unknown_output")
    assert "vmdk monolithicSparse, vmdk streamOptimized" in document["error"]
    assert view("disk.raw", "out.vdi", "--compress", "zlib")["code"] == "unknown_output"


def test_an_empty_disk_is_an_error_and_no_traceback(folder: Path) -> None:
    (folder / "empty.raw").write_bytes(b"")
    assert view("empty.raw", "out.qcow2")["hazards"][0]["rule"] == "format.empty"
    document = view("empty.raw", "out.qcow2", "--disk-format", "raw")
    assert (document["status"], document["code"]) == (2, "content_rejected")


def test_an_interrupted_conversion_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(converting, "convert", interrupted)
    done = convert("disk.raw", "out.qcow2")
    assert done.exit_code == 130
    assert "nothing was written" in done.stderr
    assert names(folder) == ["disk.raw"]


def test_disks_that_differ_are_not_published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "_difference", lambda _one, _other: 7)
    document = view("disk.raw", "out.raw", "--check")
    assert (document["status"], document["code"]) == (5, "verification_failed")
    assert "differ at byte 7" in document["error"]
    assert names(folder) == ["disk.raw"]


def test_the_grains_of_a_stream_are_moved_and_a_check_finds_damage_in_them(folder: Path) -> None:
    assert view("disk.raw", "stream.vmdk", "--subformat", "streamOptimized")["status"] == 0
    assert view("stream.vmdk", "moved.qcow2", "--compress", "zlib", "--check")["checked"]
    image = bytearray((folder / "stream.vmdk").read_bytes())
    first_grain = 128 * 512
    image[first_grain + 100 : first_grain + 110] = b"\xff" * 10
    (folder / "damaged.vmdk").write_bytes(image)
    assert view("damaged.vmdk", "copied.qcow2", "--compress", "zlib")["status"] == 0
    document = view("damaged.vmdk", "checked.qcow2", "--compress", "zlib", "--check")
    assert (document["status"], document["code"]) == (1, "refused_locally")
    assert "disk.broken-unit" in document["error"]
    assert "checked.qcow2" not in names(folder)


def test_a_file_that_changes_meanwhile_is_not_converted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (folder / "disk.raw").stat().st_size

    def truncating(*arguments: Any) -> Any:
        verdict = inspect_file(*arguments)
        with (folder / "disk.raw").open("r+b") as file:
            file.truncate(whole - 1000)
        return verdict

    monkeypatch.setattr(converting, "inspect_file", truncating)
    document = view("disk.raw", "out.qcow2")
    assert (document["status"], document["code"]) == (5, "verification_failed")
    assert "changed while" in document["error"]
    assert names(folder) == ["disk.raw"]
