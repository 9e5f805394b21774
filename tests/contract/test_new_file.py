"""A file has its name only when it is complete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stillage.conversion import output
from stillage.conversion.output import NewFile


@pytest.fixture(params=["unnamed", "named"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose file system has files without a name, or does not."""
    if request.param == "named":
        monkeypatch.setattr(output, "_unnamed", lambda _folder: None)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_published_file_is_all_there_is(folder: Path) -> None:
    with NewFile.beside(folder / "disk") as made:
        os.write(made.descriptor, b"bytes")
        assert "disk" not in names(folder)
        made.publish(replace=False)
    assert names(folder) == ["disk"]
    assert (folder / "disk").read_bytes() == b"bytes"


def test_what_is_not_published_leaves_nothing(folder: Path) -> None:
    with NewFile.beside(folder / "disk") as made:
        os.write(made.descriptor, b"bytes")
    assert names(folder) == []


def test_a_file_that_came_in_between_stays(folder: Path) -> None:
    with NewFile.beside(folder / "disk") as made:
        (folder / "disk").write_bytes(b"other")
        with pytest.raises(FileExistsError):
            made.publish(replace=False)
    assert names(folder) == ["disk"]
    assert (folder / "disk").read_bytes() == b"other"


def test_a_file_is_replaced_if_that_was_asked_for(folder: Path) -> None:
    (folder / "disk").write_bytes(b"old")
    with NewFile.beside(folder / "disk") as made:
        os.write(made.descriptor, b"new")
        made.publish(replace=True)
    assert names(folder) == ["disk"]
    assert (folder / "disk").read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(FileNotFoundError), NewFile.beside(folder / "nowhere" / "disk"):
        pass


def test_a_killed_process_leaves_nothing_where_files_need_no_name(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from stillage.conversion.output import NewFile\n"
        "with NewFile.beside(Path(sys.argv[1])) as made:\n"
        "    os.write(made.descriptor, b'bytes'); print('written', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "disk"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    assert names(tmp_path) == []
