"""Metadata definitions at rest, on every engine."""

import asyncio

import pytest

import builders
from fakes import Clock
from stillage.db.session import Database
from stillage.errors import AlreadyExists, NotFound
from stillage.images.access import Access
from stillage.images.metadefs.definitions import Contents, Kind
from stillage.images.metadefs.query import NamespaceQuery, Page
from stillage.operations.metadefs import Metadefs

ADMIN = builders.principal("ops", "admin")
DOCUMENT = {
    "namespace": "n",
    "visibility": "public",
    "properties": {"p": {"title": "P", "type": "string", "default": "\ud800 and \0"}},
    "tags": [{"name": name} for name in ("Z", "a", "ä", "b")],
    "resource_type_associations": [{"name": "T", "prefix": "t:"}],
}


@pytest.fixture
def metadefs(database: Database, clock: Clock) -> Metadefs:
    return Metadefs(database, access=Access(), clock=clock)


async def names(metadefs: Metadefs, page: Page) -> list[str]:
    return [each.namespace.name for each in await metadefs.page(ADMIN, NamespaceQuery(page))]


async def test_a_namespace_is_read_as_it_was_written(metadefs: Metadefs) -> None:
    made = await metadefs.create(ADMIN, DOCUMENT)
    read = await metadefs.show(ADMIN, "n")
    assert read.namespace == made.namespace
    assert set_of(read) == set_of(made)
    assert [tag.name for tag in read.of(Kind.TAG)] == ["Z", "a", "b", "ä"], "by code point"


async def test_pages_meet_every_namespace_once_in_every_order(metadefs: Metadefs, clock: Clock) -> None:
    for number, name in enumerate(("c", "a", "b", "d")):
        await metadefs.create(ADMIN, {"namespace": name, "resource_type_associations": [{"name": "T"}]})
        clock.advance(number % 2)  # two are as old as one another
    for sort_key in ("name", "created_at", "updated_at"):
        for descending in (True, False):
            everything = await names(metadefs, Page(sort_key, descending, 10))
            assert sorted(everything) == ["a", "b", "c", "d"]
            seen: list[str] = []
            while found := await names(metadefs, Page(sort_key, descending, 1, seen[-1] if seen else None)):
                seen += found
            assert seen == everything, (sort_key, descending)


async def test_a_page_of_tags_goes_on_after_its_marker(metadefs: Metadefs) -> None:
    await metadefs.create(ADMIN, DOCUMENT)
    page = Page("name", descending=False, limit=2, marker="a")
    assert [tag.name for tag in await metadefs.page_of(ADMIN, "n", Kind.TAG, page)] == ["b", "ä"]
    with pytest.raises(NotFound):
        await metadefs.page_of(ADMIN, "n", Kind.TAG, Page(marker="x"))


async def test_of_two_who_make_the_same_namespace_one_succeeds(metadefs: Metadefs) -> None:
    results = await asyncio.gather(*(metadefs.create(ADMIN, DOCUMENT) for _ in range(2)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["AlreadyExists", "Contents"]


async def test_a_namespace_takes_what_is_in_it_with_it(metadefs: Metadefs) -> None:
    await metadefs.create(ADMIN, DOCUMENT)
    await metadefs.update(ADMIN, "n", {"namespace": "m"})
    assert len((await metadefs.show(ADMIN, "m")).definitions) == 6
    await metadefs.delete(ADMIN, "m")
    await metadefs.create(ADMIN, {"namespace": "m"})
    assert (await metadefs.show(ADMIN, "m")).definitions == []
    assert (await metadefs.resource_types(ADMIN)).get("T") is None


async def test_changing_a_definition_to_a_name_that_is_taken_changes_nothing(metadefs: Metadefs) -> None:
    await metadefs.create(ADMIN, DOCUMENT)
    with pytest.raises(AlreadyExists):
        await metadefs.replace(ADMIN, "n", Kind.TAG, "a", {"name": "b"})
    assert {tag.name for tag in (await metadefs.show(ADMIN, "n")).of(Kind.TAG)} == {"Z", "a", "b", "ä"}


def set_of(contents: Contents) -> dict[tuple[Kind, str], object]:
    return {(each.kind, each.name): each.members for each in contents.definitions}
