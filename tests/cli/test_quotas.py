"""`stillage quota`, on the database of a data folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stillage.cli.main import app
from stillage.errors import InvalidInput, NotFound

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, migrated_sqlite: Path) -> Run:
    """Runs a command on a data folder with the project lab; its errors are raised."""
    (tmp_path / "stillage.db").write_bytes(migrated_sqlite.read_bytes())
    (tmp_path / "secret.key").write_bytes(bytes(32))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path)])
        if done.exception is not None:
            raise done.exception
        return done.output

    run("project", "create", "lab")
    return run


def test_limits_are_set_one_by_one_and_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLAGE_MAX_PROJECT_IMAGES", "7")
    assert "0 bytes of 500 GiB" in run("quota", "set", "lab", "--bytes", "500GiB", "--jobs", "none")
    run("quota", "set", "lab", "--uploads", "2")
    [lab] = json.loads(run("quota", "list", "--json"))
    assert lab == {
        "project": "lab",
        "limits": {"bytes": 500 << 30, "images": 7, "uploads": 2, "jobs": -1},
        "own": ["bytes", "uploads", "jobs"],
        "usage": {"bytes": 0, "images": 0, "uploads": 0, "jobs": 0},
    }
    run("quota", "set", "lab", "--bytes", "default")
    [lab] = json.loads(run("quota", "show", "lab", "--json"))
    assert (lab["limits"]["bytes"], lab["own"]) == (-1, ["uploads", "jobs"])


@pytest.mark.parametrize("limit", ["-1", "x", "5GB", "99999999999999999999", "9999999TiB"])
def test_what_is_no_limit_is_refused(run: Run, limit: str) -> None:
    with pytest.raises(InvalidInput, match="--bytes"):
        run("quota", "set", "lab", f"--bytes={limit}")
    with pytest.raises(InvalidInput, match="--images"):
        run("quota", "set", "lab", "--images", "5GiB")


def test_a_project_that_does_not_exist_has_none(run: Run) -> None:
    with pytest.raises(NotFound):
        run("quota", "show", "nobody")
