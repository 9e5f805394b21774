"""Rows of what projects and nodes use: they come when they are needed, and those of nodes go."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, select, text

from postgres import PostgresServer
from stillage.db import tables, usage
from stillage.db.session import Database, make_engine
from stillage.errors import TooManyUploads
from stillage.images.quota import Limits, Usage


def test_who_waits_for_a_row_that_goes_away_takes_the_room(postgres: PostgresServer) -> None:
    with postgres.migrated() as url, ThreadPoolExecutor() as threads:
        engine = make_engine(url)
        with engine.connect() as ending, engine.connect() as asking:
            usage.change(ending, "node:a", Usage(uploads=1))
            ending.commit()
            usage.change(ending, "node:a", Usage(uploads=-1))
            waiting = threads.submit(usage.change, asking, "node:a", Usage(uploads=1), Limits(uploads=1))
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not ending.execute(waits).scalar():
                assert not waiting.done(), waiting.result()
            ending.commit()
            waiting.result(60)
            asking.commit()
            assert usage.find(asking, "node:a") == Usage(uploads=1)
            with pytest.raises(TooManyUploads):
                usage.change(asking, "node:a", Usage(uploads=1), Limits(uploads=1))
        engine.dispose()


async def test_a_node_that_uses_nothing_has_no_row(database: Database) -> None:
    def scopes(connection: Connection) -> list[str]:
        return list(connection.execute(select(tables.usage.c.scope)).scalars())

    for by in (1, -1):
        await database.write(usage.change, "node:a", Usage(uploads=by))
        await database.write(usage.change, "project:p", Usage(uploads=by))
    assert await database.read(scopes) == ["project:p"]
