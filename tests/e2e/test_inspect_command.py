"""``stillage inspect``, as installed."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from samples import entries, load
from server import COMMAND
from stillage.cli.show.layout import Kind, Layout
from stillage.cli.show.report import amount
from stillage.cli.show.texts import command_for, readable
from stillage.formats.base import Region

MIB = 1 << 20


def inspect(*arguments: str, folder: Path, stdin: Any = subprocess.DEVNULL, **settings: str) -> tuple[int, str, str]:
    """Return exit status, output and errors."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STILLAGE_")}
    environment |= {"PYTHONIOENCODING": "utf-8", **settings}
    line = [str(COMMAND), "inspect", *arguments]
    done = subprocess.run(line, cwd=folder, env=environment, stdin=stdin, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("qcow2-v3-backing.qcow2", "vdi-dynamic.vdi", "raw-mbr.raw", "vhd-fixed.vhd"):
        (tmp_path / name).write_bytes(load(name))
    return tmp_path


def test_every_sample_has_the_verdict_of_the_manifest(tmp_path: Path) -> None:
    known = {entry["file"]: entry["verdict"] for entry in entries()}
    for name in known:
        (tmp_path / name).write_bytes(load(name))
    status, output, _ = inspect("--json", *known, folder=tmp_path)
    found = {line["file"]: line for line in map(json.loads, output.splitlines())}
    assert status == 1
    assert {name: "accept" if line["accepted"] else "reject" for name, line in found.items()} == known


def test_the_exit_status_is_the_worst_of_all_files(folder: Path) -> None:
    assert inspect("vdi-dynamic.vdi", folder=folder)[0] == 0
    assert inspect("vdi-dynamic.vdi", "qcow2-v3-backing.qcow2", folder=folder)[0] == 1
    assert inspect("missing", "qcow2-v3-backing.qcow2", "vdi-dynamic.vdi", folder=folder)[0] == 2
    assert inspect(".", folder=folder)[0] == 2
    assert inspect("--disk-format", "nix", "vdi-dynamic.vdi", folder=folder)[0] == 2
    assert inspect("vdi-dynamic.vdi", folder=folder, STILLAGE_PROFILE="nonsense")[0] == 2


def test_a_refusal_names_rule_place_sentence_and_the_command_for_this_file(folder: Path) -> None:
    odd = folder / "my disk.qcow2"
    (folder / "qcow2-v3-backing.qcow2").rename(odd)
    _, output, _ = inspect(odd.name, folder=folder)
    assert "my disk.qcow2: refused" in output
    assert "qcow2.backing-file at byte 8" in output
    assert "qemu-img convert -O qcow2 'my disk.qcow2' OUT" in output
    assert "^" in output


def test_it_inspects_as_if_declared(folder: Path) -> None:
    status, output, _ = inspect("--json", "--disk-format", "qcow2", "vdi-dynamic.vdi", folder=folder)
    assert (status, json.loads(output)["hazards"][0]["rule"]) == (1, "format.mismatch")


def test_settings_decide_as_they_do_for_uploads(folder: Path) -> None:
    arguments = ("--disk-format", "qcow2", "vdi-dynamic.vdi")
    assert inspect(*arguments, folder=folder, STILLAGE_REQUIRE_FORMAT_MATCH="false")[0] == 0
    assert inspect(*arguments, folder=folder, STILLAGE_PROFILE="ims")[0] == 0
    assert inspect(*arguments, folder=folder, STILLAGE_ALLOWED_RULES="format.mismatch")[0] == 0
    (folder / "settings.toml").write_text("max_virtual_size = 512\n")
    assert inspect("--config", "settings.toml", "vdi-dynamic.vdi", folder=folder)[0] == 1


def test_standard_input_may_be_a_file_or_a_pipe(folder: Path) -> None:
    with (folder / "vhd-fixed.vhd").open("rb") as file:
        status, output, _ = inspect("-", folder=folder, stdin=file)
    assert (status, "vhd, fixed" in output) == (0, True)
    with subprocess.Popen(["cat", "vhd-fixed.vhd"], cwd=folder, stdout=subprocess.PIPE) as cat:
        status, output, _ = inspect("-", folder=folder, stdin=cat.stdout)
    assert (status, "vhd, fixed" in output) == (0, True)


def test_a_sparse_file_is_inspected_as_a_full_one_and_at_once(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(64 << 30)
        file.seek(1 << 30)
        file.write(b"data")
    status, output, _ = inspect("--json", "sparse", folder=folder)
    found = json.loads(output)
    assert (status, found["format"], found["virtual_size"]) == (0, "raw", 64 << 30)


def test_an_empty_file_is_as_empty_as_an_upload(folder: Path) -> None:
    (folder / "empty").touch()
    assert inspect("--disk-format", "raw", "empty", folder=folder)[0] == 0
    assert inspect("--disk-format", "qcow2", "empty", folder=folder)[0] == 1
    assert inspect("empty", folder=folder)[0] == 1


def test_a_name_that_is_no_text_or_would_move_the_cursor_is_shown_harmlessly(folder: Path) -> None:
    name = b"\xff\x1b[2J[red].raw"
    with open(os.fsencode(folder) + b"/" + name, "wb") as file:  # noqa: PTH123 - a name that is no text
        file.write(bytes(MIB))
    status, output, _ = inspect(os.fsdecode(name), folder=folder)
    assert status == 0
    assert "\\x1b[2J[red].raw: accepted" in output


def test_the_picture_shows_structure_data_and_zeros_where_they_are() -> None:
    layout = Layout(60 * MIB)
    layout.saw(0, bytes(2 * MIB) + b"x" * MIB)
    layout.saw(59 * MIB, bytes(MIB - 1) + b"x")
    layout.read_by("qcow2", Region(5 * MIB, 2 * MIB))
    layout.read_by("qcow2", Region(58 * MIB, 1 << 40))
    picture = layout.picture("qcow2")
    assert [at for at, kind in enumerate(picture) if kind is Kind.STRUCTURE] == [5, 6, 58, 59]
    assert [at for at, kind in enumerate(picture) if kind is Kind.DATA] == [2]
    assert [at for at, kind in enumerate(layout.picture(None)) if kind is Kind.DATA] == [2, 59]
    assert layout.cell_of(60 * MIB) is None


def test_the_picture_of_a_file_is_that_of_its_bytes(folder: Path) -> None:
    data = bytes(5 * MIB) + b"x" * (20 * MIB) + bytes(7 * MIB) + b"y" + bytes(3 * MIB)
    (folder / "disk").write_bytes(data)
    by_bytes, by_file, done = Layout(len(data)), Layout(len(data)), list[int]()
    by_bytes.saw(0, data)
    with (folder / "disk").open("rb") as file:
        by_file.look(file.fileno(), done.append)
    assert by_file.picture(None) == by_bytes.picture(None)
    assert sum(done) == len(data)


@pytest.mark.parametrize("size", [1, 59, 60, 61, 1000])
def test_a_picture_of_a_small_file_has_a_cell_for_what_there_is(size: int) -> None:
    layout = Layout(size)
    layout.saw(0, b"x" * size)
    assert set(layout.picture(None)) == {Kind.DATA}
    assert layout.cell_of(size - 1) == len(layout.picture(None)) - 1


def test_only_whole_words_of_a_command_are_replaced() -> None:
    assert (
        command_for("qemu-img convert -f FORMAT IN OUT INDEX", "a b", "vdi")
        == "qemu-img convert -f vdi 'a b' OUT INDEX"
    )
    assert command_for(None, "a", "vdi") is None
    assert command_for("cp IN OUT", "-", None) == "cp IN OUT"


def test_sizes_and_names_are_readable() -> None:
    assert (amount(0), amount(1023)) == ("0 bytes", "1023 bytes")
    assert amount(1 << 20) == "1 MiB (1048576 bytes)"
    assert amount(3 << 39) == "1.5 TiB (1649267441664 bytes)"
    assert readable("a\x07b") == "a\\x07b"
