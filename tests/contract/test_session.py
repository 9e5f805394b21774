"""Units of work, on every engine."""

import asyncio
import json
import os
import socket
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError

from postgres import PostgresServer
from stillage.db import session
from stillage.db.columns import decoded
from stillage.db.images import add as add_image
from stillage.db.lookups import Lookup
from stillage.db.session import Database
from stillage.db.tables import images, projects, role_assignments
from stillage.errors import Unavailable
from stillage.ids import ImageId
from stillage.images.image import Image

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def add(connection: Connection, name: str) -> None:
    connection.execute(insert(projects).values(id=name, name=name, enabled=True, created_at=NOW))


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(projects.c.name).order_by(projects.c.name)).scalars())


async def test_a_write_is_committed(database: Database) -> None:
    await database.write(add, "a")
    assert await database.read(names) == ["a"]


async def test_a_read_is_rolled_back(database: Database) -> None:
    await database.read(add, "a")
    assert await database.read(names) == []


async def test_a_unit_returns_what_its_function_returns(database: Database) -> None:
    assert await database.write(lambda _connection, a, b: a + b, 1, 2) == 3


async def test_a_failing_unit_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        add(connection, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(half)
    assert await database.read(names) == []


async def test_a_broken_constraint_is_not_called_unavailable(database: Database) -> None:
    await database.write(add, "a")
    with pytest.raises(IntegrityError):
        await database.write(add, "a")


async def test_foreign_keys_are_enforced(database: Database) -> None:
    def orphan(connection: Connection) -> None:
        connection.execute(insert(role_assignments).values(user_id="none", project_id="none", role="member"))

    with pytest.raises(IntegrityError):
        await database.write(orphan)


async def test_times_come_back_as_they_went(database: Database) -> None:
    await database.write(add, "a")
    assert await database.read(lambda c: c.execute(select(projects.c.created_at)).scalar_one()) == NOW


@pytest.mark.parametrize("value", [[], {"a": None}, ["ä", "\U0001f4be", "\x7f\x00"], {"offset": 2**63}, ["\ud800"]])
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert decoded(json.dumps(value)) == value


async def test_writers_of_several_processes_do_not_fail_one_another(database: Database, database_url: str) -> None:
    other = Database(database_url)

    def count_up(connection: Connection) -> None:
        connection.execute(update(images).values(version=images.c.version + 1))

    def many(database: Database) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(database.write(count_up)) for _ in range(25)]

    await database.write(add_image, Image(ImageId("i"), None, NOW, NOW, version=0))
    try:
        await asyncio.gather(*many(database), *many(other))
    finally:
        other.close()
    assert await database.read(lambda c: c.execute(select(images.c.version)).scalar_one()) == 50


async def test_readers_are_not_held_up_by_a_writer(database: Database) -> None:
    written, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add(connection, "a")
        written.set()
        assert go_on.wait(60)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(written.wait, 60)
    assert await database.read(names) == []
    go_on.set()
    await writing
    assert await database.read(names) == ["a"]


async def test_units_behind_a_lock_that_stays_are_given_up_together(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT_S", 0.3)
    other, locked, go_on = Database(database_url), threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        connection.execute(update(images).values(version=1))
        locked.set()
        assert go_on.wait(60)

    def behind(connection: Connection) -> None:
        begun.append(1)
        connection.execute(update(images).values(version=2))

    begun: list[int] = []
    await database.write(add_image, Image(ImageId("i"), None, NOW, NOW, version=0))
    holding = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(locked.wait, 60)
    try:
        answers = await asyncio.gather(*(other.write(behind) for _ in range(25)), return_exceptions=True)
    finally:
        go_on.set()
        await holding
        other.close()
    assert {type(answer) for answer in answers} == {Unavailable}
    assert len(begun) <= database.writers, "those in the queue were not begun any more"


async def test_a_unit_that_has_begun_is_finished_when_whoever_waits_is_cancelled(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(60)
        add(connection, "a")

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(begun.wait, 60)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go_on.set()
    # PostgreSQL has several writers, so the next unit may overtake; closing waits for all of them.
    database.close()
    assert database.engine.connect().execute(select(func.count()).select_from(projects)).scalar() == 1
    database.engine.dispose()


async def test_check_passes_while_the_database_answers(database: Database) -> None:
    await database.check()


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql"])
async def test_a_database_that_does_not_answer_is_unavailable(scheme: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing"
    urls = {"sqlite": f"sqlite:///{nowhere}/db", "postgresql": f"postgresql+psycopg://u@/db?host={nowhere}"}
    database = Database(urls[scheme])
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await database.check()
        with pytest.raises(Unavailable, match="does not answer"):
            await database.write(names)
    finally:
        database.close()


async def test_a_database_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_WITHIN_S", 2)  # libpq knows no less
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(Database(f"postgresql+psycopg://u@127.0.0.1:{silent.getsockname()[1]}/db")) as database,
        pytest.raises(Unavailable, match="does not answer"),
    ):
        await asyncio.wait_for(database.check(), 60)


async def test_a_server_that_has_become_a_standby_is_left(postgres: PostgresServer) -> None:
    def become_read_only(connection: Connection) -> None:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))

    with postgres.migrated() as url, closing(Database(url, connections=3)) as database:
        await database.write(become_read_only)
        with pytest.raises(Unavailable, match="ReadOnlySqlTransaction"):
            await database.write(add, "a")
        await database.write(add, "b")
        assert await database.read(names) == ["b"]


async def test_a_process_has_no_more_connections_than_it_may(postgres: PostgresServer) -> None:
    mine = select(func.count().label("connections")).select_from(text("pg_stat_activity"))
    count = Lookup(mine.where(text("datname = current_database()")), dict, lambda rows: int(rows[0].connections))
    with postgres.migrated() as url, closing(Database(url, connections=4)) as database:
        for _ in range(2):  # in the second round lookups have their connection
            units = [call(count) for call in (database.read, database.write, database.look_up) for _ in range(10)]
            assert max(await asyncio.gather(*units)) <= 4


async def test_a_defect_in_a_statement_is_not_taken_for_a_silent_database(database: Database) -> None:
    with pytest.raises(DBAPIError, match="no_such_table"):
        await database.read(lambda connection: connection.execute(text("SELECT * FROM no_such_table")))


def modes_in(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_a_file_that_is_not_a_database_keeps_its_mode(tmp_path: Path) -> None:
    other = tmp_path / "hosts"
    other.write_text("127.0.0.1 localhost\n" * 100)
    other.chmod(0o644)
    database = Database(f"sqlite:///{other}")
    with pytest.raises(DatabaseError, match="not a database"):
        await database.read(lambda connection: connection.execute(text("SELECT 1")))
    database.close()
    assert modes_in(tmp_path) == {"hosts": 0o644}


async def test_files_of_sqlite_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for _ in range(2):
            database = Database(f"sqlite:///{tmp_path}/stillage.db")
            await database.write(lambda connection: connection.execute(text("CREATE TABLE IF NOT EXISTS t (x)")))
            names = ("stillage.db", "stillage.db-wal", "stillage.db-shm")
            assert modes_in(tmp_path) == dict.fromkeys(names, 0o600)
            database.close()
            for name in modes_in(tmp_path):
                (tmp_path / name).chmod(0o644)  # as an earlier version left them
    finally:
        os.umask(before)
