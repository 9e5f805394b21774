"""Short lists on the event loop: they are what a unit of work reads, and what takes long is left to threads."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, Select, literal_column, select

from builders import T0, image, viewer
from stillage.db import images, listing, lookups, postgresql_lookups, sqlite_lookups
from stillage.db.lookups import Inquiry, Lookup, Memory, Questions
from stillage.db.session import Database
from stillage.ids import ImageId
from stillage.images.image import Image
from stillage.images.query import Query, parse
from stillage.images.status import Status

Where = tuple[list[Image], bool]
"""The page, and whether it was made of rows on the loop."""


def id_of(number: int) -> ImageId:
    return ImageId(str(UUID(int=number)))


def is_on_loop() -> bool:
    return threading.current_thread() is threading.main_thread()


def _page_and_where(memory: Memory, query: Query) -> Questions[Where]:
    page = yield from listing.page.questions(memory, query)
    return page, is_on_loop()


find_page = Inquiry(_page_and_where, listing.page.is_short)


def asked(**filters: str) -> Query:
    return parse(filters.items(), viewer("lab"))


def where_of(statement: Select[*tuple[object, ...]]) -> Lookup[[], bool]:
    """Returns whether the rows were read on the loop."""
    return Lookup(statement, dict, lambda _: is_on_loop())


ONE: Select[*tuple[object, ...]] = select(literal_column("1").label("one"))
EASY = where_of(ONE)


def fill(connection: Connection) -> None:
    for number in range(40):
        status = Status.ACTIVE if number % 3 else Status.QUEUED
        one = image(
            id=id_of(number), owner="lab", name=f"n{number % 7}", status=status, protected=number % 2 == 0,
            min_ram=number, tags=("ä",) if number % 2 else (), properties={"os": "Ä\N{SNOWMAN}" * (number % 5)},
            created_at=T0 + timedelta(seconds=number),
        )  # fmt: skip
        images.add(connection, one)


@pytest.fixture
async def filled(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    # A busy machine may take longer than usual for anything.
    monkeypatch.setattr(postgresql_lookups, "LONG_MS", 60_000)
    monkeypatch.setattr(sqlite_lookups, "LONG_S", 60)
    await database.write(fill)
    while not await database.look_up(EASY):
        pass
    return database


LISTS = {
    "all": {},
    "behind a marker": {"marker": id_of(20)},
    "in another order": {"sort": "name:asc,size:desc"},
    "by name": {"name": "n1"},
    "by one of several statuses": {"status": "in:queued,active"},
    "by a tag": {"tag": "ä"},
    "by a property": {"os": "Ä\N{SNOWMAN}"},
    "by a time": {"created_at": f"gte:{T0 + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"},
    "by a flag and a number": {"protected": "true", "min_ram_max": "20"},
    "none": {"name": "nobody's"},
}


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS)
async def test_a_short_list_is_the_same_on_the_loop(filled: Database, filters: dict[str, str]) -> None:
    query = asked(limit="9", **filters)
    assert await filled.look_up(find_page, query) == (await filled.read(listing.page, query), True)


async def test_a_long_list_is_left_to_a_thread(filled: Database) -> None:
    page, on_loop = await filled.look_up(find_page, asked(limit="1000"))
    assert (len(page), on_loop) == (40, False)


@pytest.mark.parametrize(
    "filters", [{"id": f"in:{','.join(map(id_of, range(20)))}"}, {f"p{number}": "x" for number in range(20)}]
)
async def test_a_list_with_many_filters_is_left_to_a_thread(filled: Database, filters: dict[str, str]) -> None:
    assert not (await filled.look_up(find_page, asked(**filters)))[1]


async def test_a_page_of_large_records_is_left_to_a_thread(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "LARGE", 100)
    assert await filled.look_up(find_page, asked(limit="30")) == (
        await filled.read(listing.page, asked(limit="30")),
        False,
    )
    assert (await filled.look_up(find_page, asked(limit="1")))[1]


async def test_what_takes_long_is_left_to_threads_for_a_while(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if filled.engine.dialect.name == "postgresql":
        monkeypatch.setattr(postgresql_lookups, "LONG_MS", 1000)
        filled._on_loop._pipeline.close()  # type: ignore[attr-defined]  # the next connection has the new limit
        while not await filled.look_up(EASY):
            pass
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT max(x) FROM n"
    slow = numbers if filled.engine.dialect.name == "sqlite" else "SELECT pg_sleep(1.5)"
    hard: Select[*tuple[object, ...]] = select(literal_column(f"({slow})").label("last"))
    assert not await filled.look_up(where_of(hard))
    assert await filled.look_up(EASY)
    statements = filled._on_loop._statements  # type: ignore[attr-defined]
    assert statements.of(hard).avoided_until > 0 == statements.of(ONE).avoided_until


async def test_the_statements_of_many_kinds_of_lists_are_forgotten(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "KEPT", 5)
    monkeypatch.setattr(postgresql_lookups, "KEPT", 5)
    many = [where_of(select(literal_column(f"{number}").label("number"))) for number in range(20)]
    for one in [*many, *many[::-1]]:
        assert await filled.look_up(one)
    if filled.engine.dialect.name == "postgresql":
        kept: Select[*tuple[object, ...]] = select(
            literal_column("(SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'lookup%')").label("kept")
        )
        assert await filled.look_up(Lookup(kept, dict, lambda rows: (rows[0].kept, is_on_loop()))) == (5, True)
