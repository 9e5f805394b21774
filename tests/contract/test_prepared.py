"""Statements that the driver runs within a unit of work are no different from those that SQLAlchemy runs."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, PendingRollbackError

from stillage.db.prepared import Prepared
from stillage.db.session import Database
from stillage.db.tables import projects

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
NAMED = projects.c.name == bindparam("wanted")
ADD = Prepared(insert(projects).values({name: bindparam(name) for name in ("id", "name", "enabled", "created_at")}))
FIND = Prepared(select(projects.c.name, projects.c.enabled, projects.c.created_at).where(NAMED))
FORGET = Prepared(delete(projects).where(NAMED).returning(projects.c.id))


def add(connection: Connection, name: str) -> None:
    rows = ADD.run(connection, {"id": name, "name": name, "enabled": True, "created_at": NOW})
    assert not rows


def find(connection: Connection, name: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in FIND.run(connection, {"wanted": name})]


async def test_what_goes_in_comes_out(database: Database) -> None:
    name = "ä%s 100% ? $1 :name"
    await database.write(add, name)
    [row] = await database.read(FIND.run, {"wanted": name})
    assert (row.name, row.enabled, row.created_at) == (name, True, NOW)
    assert [row.id for row in await database.write(FORGET.run, {"wanted": name})] == [name]
    assert await database.read(find, name) == []


async def test_a_unit_that_raises_leaves_nothing(database: Database) -> None:
    def add_and_fail(connection: Connection) -> None:
        add(connection, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(add_and_fail)
    assert await database.read(find, "a") == []


def test_it_begins_a_transaction_as_sqlalchemy_does(database: Database) -> None:
    with database.engine.connect() as one, database.engine.connect() as other:
        add(one, "a")
        assert find(other, "a") == []
        other.rollback()
        one.rollback()
        add(one, "b")
        one.commit()
        assert (find(other, "a"), len(find(other, "b"))) == ([], 1)


async def test_it_fails_as_it_would_in_sqlalchemy(database: Database) -> None:
    await database.write(add, "a")
    with pytest.raises(IntegrityError) as refused:
        await database.write(add, "a")
    assert isinstance(refused.value.orig, database.engine.dialect.loaded_dbapi.IntegrityError)
    assert "INSERT INTO projects" in str(refused.value)
    await database.write(add, "b")


async def test_a_text_that_is_no_unicode_is_refused_as_it_is(database: Database) -> None:
    with pytest.raises(UnicodeEncodeError):
        await database.write(add, "\ud800")
    await database.write(add, "a")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_connection_that_is_lost_is_given_up(database: Database) -> None:
    with database.engine.connect() as connection, database.engine.connect() as other:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other.execute(text("SELECT pg_terminate_backend(:process, 10000)"), {"process": process})
        with pytest.raises(OperationalError) as lost:
            add(connection, "a")
        assert lost.value.connection_invalidated
        assert connection.invalidated
    await database.write(add, "b")
    assert (await database.read(find, "a"), len(await database.read(find, "b"))) == ([], 1)


def test_nothing_runs_on_a_connection_that_was_given_up(database: Database) -> None:
    with database.engine.connect() as connection:
        add(connection, "a")
        connection.invalidate()
        with pytest.raises(PendingRollbackError):
            find(connection, "a")
