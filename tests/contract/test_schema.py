"""The migrations and the tables say the same, on every engine."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

import builders
from fakes import Clock
from plans import plans_of
from postgres import PostgresServer
from stillage.db import blobs, images, lifecycle, schema, session, uploads
from stillage.db.leases import LeaseOwner
from stillage.db.lifecycle import Claim
from stillage.db.migrations import steps
from stillage.db.session import make_engine
from stillage.db.tables import metadata
from stillage.errors import BadSettings
from stillage.ids import BlobKey, ProjectId, UploadId
from stillage.images.image import Content
from stores import FILES, in_files


def test_the_migrations_make_the_tables_that_the_code_expects(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def migrate(engine: Engine) -> None:
    """Take every step, as a database has that is as old as the first version."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        steps.take(connection)


def test_a_new_database_is_what_the_migrations_make(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    migrate(engine)
    migrated = everything_in(engine)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    schema.upgrade(engine)
    assert everything_in(engine) == migrated
    engine.dispose()


def everything_in(engine: Engine) -> dict[str, Any]:
    """What a database says of its tables. The order of columns makes no difference."""
    look = inspect(engine)
    return {
        table: [
            sorted((c["name"], str(c["type"]), c["nullable"], str(c["default"])) for c in look.get_columns(table)),
            look.get_pk_constraint(table)["constrained_columns"],
            sorted(map(str, look.get_foreign_keys(table))),
            sorted(map(index_text, look.get_indexes(table))),
            sorted(map(str, look.get_unique_constraints(table))),
            sorted(map(str, look.get_check_constraints(table))),
            contents_of(engine, table),
        ]
        for table in look.get_table_names()
    }


def index_text(index: Any) -> str:
    options = {name: str(value) for name, value in index["dialect_options"].items()}
    return str({**index, "dialect_options": options})


def contents_of(engine: Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(map(str, connection.execute(text(f"SELECT * FROM {table}"))))


def test_upgrading_an_empty_database_makes_it_current(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    with pytest.raises(BadSettings, match="stillage db upgrade"):
        schema.require_usable(engine)
    schema.upgrade(engine)
    schema.require_usable(engine)
    engine.dispose()


def test_every_migration_is_known_without_alembic() -> None:
    assert steps.names() == schema.STEPS


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    before = set(inspect(engine).get_table_names())
    schema.upgrade(engine)
    schema.require_usable(engine)
    assert set(inspect(engine).get_table_names()) == before


def test_upgrades_that_start_together_take_turns(empty_database_url: str) -> None:
    engines = [make_engine(empty_database_url) for _ in range(3)]
    with ThreadPoolExecutor() as threads:
        list(threads.map(schema.upgrade, engines))
    for engine in engines:
        schema.require_usable(engine)
        engine.dispose()


def test_a_connection_to_a_new_file_waits_while_another_one_writes_to_it(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite"
    engine = make_engine(f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as holder, ThreadPoolExecutor() as threads:
        holder.execute("BEGIN IMMEDIATE")
        waiting = threads.submit(schema.upgrade, engine)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        holder.execute("ROLLBACK")
        waiting.result(60)
    engine.dispose()


def test_an_upgrade_waits_for_another_one_as_long_as_that_takes(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT_S", 0.1)
    with postgres.fresh("template0") as url:
        first, second = make_engine(url), make_engine(url)
        with ThreadPoolExecutor() as threads, first.connect() as holder:
            holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": schema.UPGRADES})
            waiting = threads.submit(schema.upgrade, second)
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            holder.rollback()
            waiting.result(60)
        first.dispose()
        second.dispose()


def at_step(engine: Engine, step: str, compatible_since: str | None) -> None:
    """Make it a database that took *step*. None: one in which no version ever said what can use it."""
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": step})
        if compatible_since is None:
            connection.execute(text("DROP TABLE deployment"))
        else:
            connection.execute(text("UPDATE deployment SET value = :since"), {"since": compatible_since})


@pytest.mark.parametrize(("step", "since"), [("9999", "9999"), ("9999", "9998"), ("0010", None)])
def test_a_database_of_a_newer_version_or_of_one_from_before_the_first_is_refused(
    empty_database_url: str, step: str, since: str | None
) -> None:
    engine = make_engine(empty_database_url)
    at_step(engine, step, since)
    for look in (schema.require_usable, schema.upgrade):
        with pytest.raises(BadSettings, match=f"schema {step}.*new database"):
            look(engine)
    engine.dispose()


def test_a_newer_database_that_this_version_can_use_is_used_and_left_as_it_is(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    at_step(engine, "9999", schema.STEPS[0])
    schema.require_usable(engine)
    schema.upgrade(engine)
    assert contents_of(engine, "alembic_version") == ["('9999',)"]
    engine.dispose()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_blobs_of_an_image_and_those_of_a_digest_are_found_without_reading_all(
    migrated_sqlite: Path, clock: Clock, algorithm: str
) -> None:
    """Of the two engines, SQLite knows nothing of how many rows there are; most blobs have the same state."""
    engine = make_engine(f"sqlite:///{migrated_sqlite}")
    digest = (algorithm, "a" * 64)
    made, blob = builders.image(owner="lab"), in_files(BlobKey(uuid4().hex))
    claim = Claim(UploadId(str(uuid4())), made.id, blob, LeaseOwner.parse("node/1"), 4096)

    def ask(connection: Connection) -> None:
        images.add(connection, made)
        lifecycle.claim(connection, claim, clock(), clock())
        lifecycle.publish(connection, claim, Content(4096, None, "raw", "c" * 32, *digest), clock())
        blobs.set_damage(connection, blob, None)
        uploads.with_bytes(connection, (digest,), 4096, FILES, ProjectId("lab"))
        lifecycle.mark_deleted(connection, made.id, clock())
        connection.execute(lifecycle.FIND_RESUMABLE, {"deleted_id": made.id})

    with engine.connect() as connection:
        plans = plans_of(connection, ask)
    engine.dispose()
    assert len([plan for plan in plans if " blobs " in plan]) >= 7
    tables_alone = [plan.replace("SCAN CONSTANT ROW", "") for plan in plans]
    assert [plan for plan in tables_alone if "SCAN " in plan or "ix_blobs_state" in plan] == []


NEVER_DELETED = {"images", "projects", "users"}


def test_a_row_that_is_deleted_finds_those_that_name_it_by_an_index() -> None:
    for table in metadata.tables.values():
        indexes = [list(table.primary_key.columns), *(list(index.columns) for index in table.indexes)]
        led_by = {columns[0].name for columns in indexes}
        naming = {key.parent.name for key in table.foreign_keys if key.column.table.name not in NEVER_DELETED}
        assert naming <= led_by, table.name
