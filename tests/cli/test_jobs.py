"""`stillage job`, on the database of a data folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from job_world import job_id, new_job
from stillage.cli.main import app
from stillage.config import load
from stillage.db import jobs as db
from stillage.db.clock import now
from stillage.db.session import make_engine
from stillage.errors import BadSettings, JobEnded, JobNotFound

Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A data folder in which two projects have asked for something."""
    (tmp_path / "stillage.db").write_bytes(migrated_sqlite.read_bytes())
    (tmp_path / "secret.key").write_bytes(bytes(32))
    engine = make_engine(load(data=tmp_path).database)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        ask(connection, 1, kind="test", input={"uri": "https://source/disk"})
        ask(connection, 2, kind="convert", project_id="other")
    engine.dispose()
    return tmp_path


def ask(connection: Connection, number: int, **changes: Any) -> None:
    db.enqueue(connection, new_job(number, **changes), now())


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a command and returns what it prints; its errors are raised."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["job", *arguments, "--data", str(folder)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_jobs_are_listed_by_what_they_are(run: Run) -> None:
    assert [job["id"] for job in json.loads(run("list", "--json"))] == [job_id(2), job_id(1)]
    for chosen in (("--project", "lab"), ("--kind", "test")):
        (job,) = json.loads(run("list", "--json", *chosen))
        assert (job["id"], job["input"]) == (job_id(1), {"uri": "https://source/disk"})
    assert json.loads(run("list", "--json", "--state", "done")) == []
    assert "accepted" in run("list")


def test_a_cancelled_job_says_why(run: Run) -> None:
    bare = job_id(1).replace("-", "").upper()  # as the other API writes it
    assert "cancelled" in run("cancel", bare, "--why", "the source is wrong")
    shown = json.loads(run("show", bare, "--json"))
    assert (shown["state"], shown["error"], shown["message"]) == ("failed", "job_cancelled", "the source is wrong")
    assert "the source is wrong" in run("show", job_id(1))
    with pytest.raises(JobEnded):
        run("cancel", bare)
    with pytest.raises(JobNotFound):
        run("show", "nothing")


def test_a_folder_without_a_database_has_no_jobs(tmp_path: Path) -> None:
    with pytest.raises(BadSettings):
        CliRunner().invoke(app, ["job", "list", "--data", str(tmp_path)], catch_exceptions=False)
