"""The migrations and the tables say the same, on every engine."""

from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

from fakes import Clock
from plans import plans_of
from stillage.db import images, schema, uploads
from stillage.db.session import make_engine
from stillage.db.tables import metadata
from stillage.errors import BadSettings
from stillage.images.image import Image, ImageId, ProjectId


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


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_blobs_of_an_image_and_those_of_a_digest_are_found_without_reading_all(
    migrated_sqlite: Path, clock: Clock, algorithm: str
) -> None:
    """Of the two engines, SQLite knows nothing of how many rows there are; most blobs have the same state."""
    engine = make_engine(f"sqlite:///{migrated_sqlite}")
    digest = (algorithm, "a" * 64)
    image = Image(id=ImageId(str(uuid4())), owner=ProjectId("lab"), created_at=clock(), updated_at=clock())

    def ask(connection: Connection) -> None:
        images.add(connection, image)
        uploads.with_bytes(connection, (digest,), 4096, ProjectId("lab"))
        images.mark_deleted(connection, image.id, clock())

    with engine.connect() as connection:
        plans = plans_of(connection, ask)
    engine.dispose()
    assert len([plan for plan in plans if " blobs " in plan]) >= 3
    assert [plan for plan in plans if "SCAN " in plan or "ix_blobs_state" in plan] == []


NEVER_DELETED = {"images", "projects", "users"}


def test_a_row_that_is_deleted_finds_those_that_name_it_by_an_index() -> None:
    for table in metadata.tables.values():
        indexes = [list(table.primary_key.columns), *(list(index.columns) for index in table.indexes)]
        led_by = {columns[0].name for columns in indexes}
        naming = {key.parent.name for key in table.foreign_keys if key.column.table.name not in NEVER_DELETED}
        assert naming <= led_by, table.name
