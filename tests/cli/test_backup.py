"""What ``stillage backup`` and ``stillage restore`` say where there is nothing that they can copy."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stillage.cli.main import app


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Undo what the commands do to this process."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


@pytest.mark.parametrize(("command", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_what_copies_postgresql_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, tool: str
) -> None:
    monkeypatch.setenv("STILLAGE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    done = CliRunner().invoke(app, [command, str(tmp_path / "copy"), "--data", str(tmp_path / "data")])
    assert "the database is PostgreSQL; it is" in str(done.exception)
    assert tool in str(done.exception)
    assert not (tmp_path / "data").exists()


def test_without_a_backup_nothing_is_restored(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["restore", str(tmp_path), "--data", str(tmp_path / "data")])
    assert "has no complete backup" in str(done.exception)
    assert not (tmp_path / "data" / "stillage.db").exists()
