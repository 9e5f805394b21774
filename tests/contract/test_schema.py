"""The migrations and the tables say the same, on every engine."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from stillage.db import schema
from stillage.db.session import make_engine
from stillage.db.tables import metadata
from stillage.errors import BadSettings


def test_the_migrations_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_an_empty_database_makes_it_current(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    with pytest.raises(BadSettings, match="stillage db upgrade"):
        schema.require_current(engine)
    schema.upgrade(engine)
    schema.require_current(engine)
    engine.dispose()


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    before = set(inspect(engine).get_table_names())
    schema.upgrade(engine)
    schema.require_current(engine)
    assert set(inspect(engine).get_table_names()) == before


def test_a_database_from_the_future_is_refused(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadSettings, match="9999"):
        schema.require_current(engine)
    engine.dispose()


NEVER_DELETED = {"images", "projects", "users"}


def test_a_row_that_is_deleted_finds_those_that_name_it_by_an_index() -> None:
    for table in metadata.tables.values():
        indexes = [list(table.primary_key.columns), *(list(index.columns) for index in table.indexes)]
        led_by = {columns[0].name for columns in indexes}
        naming = {key.parent.name for key in table.foreign_keys if key.column.table.name not in NEVER_DELETED}
        assert naming <= led_by, table.name
