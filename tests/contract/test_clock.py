"""The clock of the nodes on a database."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postgres import PostgresServer
from stillage.config import load
from stillage.db import clock as clocks
from stillage.db.clock import DatabaseClock, clock_of, now, set_by
from stillage.db.session import Database
from stillage.errors import Unavailable
from stillage.worker import build_worker

LONG_AGO = datetime(1999, 12, 31, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.migrated() as url:
        yield url


def is_now(time: datetime) -> bool:
    return abs(time - now()) < MINUTE


async def test_nodes_on_postgresql_go_by_its_clock_whatever_their_own_says(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.key").write_bytes(bytes(32))
    monkeypatch.setattr(clocks.DatabaseClock.__init__, "__defaults__", (lambda: LONG_AGO,))
    async with build_worker(load(data=tmp_path, database_url=url)) as worker:
        assert is_now(worker.clock())


async def test_one_that_could_not_be_set_at_the_start_is_set_later(
    url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks.DatabaseClock.__init__, "__defaults__", (lambda: LONG_AGO,))
    with closing(Database(url)) as database:
        with postgres.away(url):
            clock = await clock_of(database)
            with pytest.raises(Unavailable):
                await set_by(database, clock)
        assert clock() - LONG_AGO < MINUTE, "it counts on"
        await set_by(database, clock)
        assert is_now(clock())


async def test_it_counts_on_between_readings() -> None:
    clock = DatabaseClock(lambda: LONG_AGO)
    first = clock()
    assert LONG_AGO < first < clock()


async def test_with_sqlite_it_is_the_clock_of_the_process(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'db'}")) as database:
        clock = await clock_of(database)
        assert is_now(clock())
        await set_by(database, clock)
