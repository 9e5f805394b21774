"""A database of every earlier version keeps all that is in it when it is upgraded, and says so when it is not."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from any_rows import fill, is_there
from stillage.db import schema
from stillage.db.migrations import steps
from stillage.db.session import make_engine
from stillage.errors import BadSettings


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_database_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("step", steps.names())
def test_every_row_of_an_earlier_version_is_there_after_an_upgrade(empty: Engine, step: str) -> None:
    with empty.connect().execution_options(writes=True) as connection, connection.begin():
        steps.take(connection, step)
        rows = fill(connection)
    assert rows.keys() >= {"images", "blobs", "placements", "uploads", "users"}
    schema.upgrade(empty)
    schema.require_usable(empty)
    with empty.connect() as connection:
        assert [table for table, row in rows.items() if not is_there(connection, table, row)] == []


def test_a_row_that_is_gone_is_noticed(empty: Engine) -> None:
    schema.upgrade(empty)
    with empty.connect().execution_options(writes=True) as connection, connection.begin():
        rows = fill(connection)
        connection.execute(text("UPDATE metadef_namespaces SET description = 'lost'"))
        lost = [table for table, row in rows.items() if not is_there(connection, table, row)]
    assert lost == ["metadef_namespaces"]


def test_a_server_says_what_to_do_when_the_database_is_older(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    schema.upgrade(empty)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, "next"))
    monkeypatch.setattr(schema, "CURRENT", "next")
    with pytest.raises(BadSettings) as raised:
        schema.require_usable(empty)
    assert str(raised.value) == (
        f"the database is at schema {steps.names()[-1]}, this version needs next; run 'stillage db upgrade'"
    )
