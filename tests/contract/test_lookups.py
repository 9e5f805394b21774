"""Looking up single records, on every engine: what is found, and who waits for whom."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError

from builders import IMAGE_ID, image
from postgres import PostgresServer
from stillage.db import images, session
from stillage.db.lookups import Connecting, Lookup
from stillage.db.session import Database
from stillage.db.tables import projects
from stillage.errors import Unavailable
from stillage.ids import ProjectId
from stillage.images.image import Visibility
from stillage.images.status import Status

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
OWNER = ProjectId("lab")


def named(name: str) -> dict[str, str]:
    return {"name": name}


PROJECT = select(projects.c.created_at, projects.c.enabled).where(projects.c.name == bindparam("name"))
find_project = Lookup(PROJECT, named, lambda rows: [tuple(row) for row in rows])
find_thread = Lookup(PROJECT, lambda: named(""), lambda _rows: threading.current_thread())


def add(connection: Connection, name: str) -> None:
    connection.execute(insert(projects).values(id=name, name=name, enabled=True, created_at=NOW))


async def reach_the_loop(database: Database) -> None:
    """Look up until there is a connection for that on the loop."""
    while await database.look_up(find_thread) is not threading.current_thread():
        pass


async def test_a_value_is_the_one_that_a_unit_of_work_reads(database: Database) -> None:
    stored = image(
        name="a disk",
        status=Status.DEACTIVATED,
        visibility=Visibility.COMMUNITY,
        protected=True,
        size=1 << 40,
        tags=("ä", "b"),
        properties={"os_distro": "debian", "note": '{"quoted": "\N{SNOWMAN}"}'},
        updated_at=NOW,
    )
    await database.write(images.add, stored)
    await reach_the_loop(database)
    seen = await database.look_up(images.find_seen, IMAGE_ID, OWNER)
    assert seen == await database.read(images.find_seen, IMAGE_ID, OWNER)
    assert seen is not None
    assert seen.image == stored
    assert await database.look_up(images.find_seen, "none", OWNER) is None


async def test_each_commit_is_seen_at_once(database: Database, database_url: str) -> None:
    other = Database(database_url)
    await reach_the_loop(database)
    try:
        for number in range(20):
            assert await database.look_up(find_project, f"{number}") == []
            await other.write(add, f"{number}")
            assert await database.look_up(find_project, f"{number}") == [(NOW, True)]
    finally:
        other.close()


async def test_nobody_waits_for_a_writer(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection, "a")
        begun.set()
        assert go_on.wait(60)

    await reach_the_loop(database)
    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(begun.wait, 60)
    try:
        assert await database.look_up(find_project, "a") == []
        assert not writing.done()
    finally:
        go_on.set()
        await writing


async def test_nobody_waits_for_a_server_that_crashes(postgres: PostgresServer) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    with postgres.migrated() as url, closing(Database(url)) as database:
        await reach_the_loop(database)
        await asyncio.to_thread(postgres.crash)
        with suppress(Unavailable):
            await asyncio.wait_for(database.look_up(find_project, "a"), 60)
        await asyncio.wait_for(reach_the_loop(database), 60)
    assert errors == []


async def test_what_fails_is_reported_by_a_thread_and_forgotten(database: Database) -> None:
    await reach_the_loop(database)
    find_nothing = Lookup(select(text("a")).select_from(text("no_such_table")), dict, list)
    with pytest.raises(DBAPIError, match="no_such_table"):
        await database.look_up(find_nothing)
    await reach_the_loop(database)


async def test_what_would_wait_for_a_lock_does_so_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT_S", 0.2)
    path = tmp_path / "locked.sqlite"
    find_tables = Lookup(select(text("name")).select_from(text("sqlite_master")), dict, list)
    with closing(sqlite3.connect(path, isolation_level=None)) as alone:
        for statement in ("journal_mode=WAL", "locking_mode=EXCLUSIVE", "user_version=1"):
            alone.execute(f"PRAGMA {statement}").fetchall()
        database = Database(f"sqlite:///{path}")
        with pytest.raises(Unavailable):
            await database.look_up(find_tables)
    assert await database.look_up(find_tables) == []
    database.close()


class _EndsWhenAsked(Future[Any]):
    """Does its work in the moment in which somebody asks whether it is done."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work

    def done(self) -> bool:
        if not super().done():
            self.set_result(self._work())
        return super().done()


class _Late(Executor):
    """Counts what it is given."""

    def __init__(self) -> None:
        self.given = 0

    def submit(self, work: Callable[..., Any], /, *_: Any, **__: Any) -> Future[Any]:
        self.given += 1
        return _EndsWhenAsked(work)


def test_a_connection_that_comes_in_the_moment_of_asking_is_the_only_one(engine: Engine) -> None:
    threads, made = _Late(), list[Any]()
    connecting = Connecting(engine, threads, made.append)
    assert connecting.take() is None
    taken = connecting.take()
    for connection in made:
        connection.close()
    assert [taken] == made
    assert threads.given == 1, "a second one would be kept in the place of the first, which nobody would close"
