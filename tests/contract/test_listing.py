"""Lists on every engine: against a reference in plain Python, and while others change what is listed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event

from builders import T0, image, principal, viewer
from rule_texts import LEAVES, rule_texts
from stillage.accounts.principal import Principal
from stillage.db import images, lifecycle, list_leading, listing, members
from stillage.db.tables import image_members
from stillage.errors import InvalidInput
from stillage.ids import ImageId, ProjectId
from stillage.images.access import Access, Seen, Viewer
from stillage.images.image import Image, Visibility
from stillage.images.member import MemberStatus
from stillage.images.query import Condition, Operator, Query, TimeRange, parse
from stillage.images.status import Status

MINE, OTHER, THIRD = ProjectId("lab"), ProjectId("mill"), ProjectId("yard")
PROJECTS = (MINE, OTHER, THIRD)
PRINCIPALS = (viewer("lab"), viewer("mill", "reader"), viewer("ops", "admin"))
LATER = T0 + timedelta(days=1)
Shares = Mapping[tuple[ImageId, ProjectId], MemberStatus]


@dataclass(frozen=True)
class World:
    images: tuple[Image, ...]
    shares: Shares

    def __post_init__(self) -> None:
        shared = {image_id for image_id, _ in self.shares}
        images = (replace(each, has_members=each.id in shared) for each in self.images)
        object.__setattr__(self, "images", tuple(images))


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with rolled_back(engine) as connection:
        yield connection


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(writes=True) as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


def numbered(number: int, **changes: Any) -> Image:
    return image(id=ImageId(str(UUID(int=number))), created_at=T0 + timedelta(seconds=number), **changes)


def store(connection: Connection, world: World) -> None:
    for each in world.images:
        images.add(connection, each)
        for (image_id, project), status in world.shares.items():
            if image_id == each.id:
                members.add(connection, each, project, T0)
                members.set_status(connection, image_id, project, status, T0)


def listed(connection: Connection, who: Viewer = PRINCIPALS[0], /, **query: str) -> list[Image]:
    return listing.page(connection, parse(query.items(), who))


# The reference


def expected(world: World, query: Query) -> list[Image]:
    found = [each for each in world.images if belongs(world.shares, query, each)]
    for key in reversed(query.order):
        found.sort(key=lambda each: rank(getattr(each, key.column)), reverse=key.descending)
    return found


def rank(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)


def belongs(shares: Shares, query: Query, each: Image) -> bool:
    return (
        is_listed(shares, query, each)
        and all(holds(condition, getattr(each, condition.column)) for condition in query.conditions)
        and set(query.tags) <= set(each.tags)
        and set(query.properties) <= set(each.properties.items())
    )


def is_listed(shares: Shares, query: Query, each: Image) -> bool:
    mine = each.owner == query.project
    if query.visibility not in (None, each.visibility):
        return False
    if each.visibility is Visibility.COMMUNITY and not mine:
        return query.communities or query.visibility is not None
    if query.sees_all or mine or each.visibility is Visibility.PUBLIC:
        return True
    return each.visibility is Visibility.SHARED and shares.get((each.id, query.project)) in query.member_statuses


def holds(condition: Condition, value: Any) -> bool:
    wanted: Any = condition.value
    if value is None:
        return False
    if isinstance(wanted, TimeRange):
        within = wanted.start <= value < wanted.end
        by_operator: dict[Operator, bool] = {
            Operator.EQ: within,
            Operator.NEQ: not within,
            Operator.GT: value >= wanted.end,
            Operator.GTE: value >= wanted.start,
            Operator.LT: value < wanted.start,
            Operator.LTE: value < wanted.end,
        }
        return by_operator[condition.operator]
    if isinstance(wanted, tuple):
        return bool(value in wanted)
    if condition.operator is Operator.CONTAINS:
        return str(wanted)[1:-1].removeprefix("\\").lower() in str(value).lower()
    return bool(
        {
            Operator.EQ: lambda: value == wanted,
            Operator.GTE: lambda: value >= wanted,
            Operator.LTE: lambda: value <= wanted,
        }[condition.operator]()
    )


TIMES = [T0 + timedelta(seconds=seconds, microseconds=micro) for seconds in range(3) for micro in (0, 7)]
NAMES = ["", "a", "B", "b,c", "ä", "\U0001f4be", "%"]


@st.composite
def worlds(draw: Callable[[st.SearchStrategy[Any]], Any]) -> World:
    made = st.builds(
        image,
        owner=st.sampled_from(PROJECTS) | st.none(),
        name=st.sampled_from(NAMES) | st.none(),
        status=st.sampled_from([Status.ACTIVE, Status.QUEUED, Status.DEACTIVATED]),
        visibility=st.sampled_from(Visibility),
        protected=st.booleans(),
        os_hidden=st.sampled_from([False, False, True]),
        disk_format=st.sampled_from(["raw", "qcow2", None]),
        min_disk=st.integers(0, 2),
        size=st.sampled_from([0, 1, 2**40, None]),
        created_at=st.sampled_from(TIMES),
        updated_at=st.sampled_from(TIMES),
        tags=st.sampled_from([(), ("a",), ("b", "a"), ("b",)]),
        properties=st.sampled_from([{}, {"os": "x"}, {"os": "x", "long": "y" * 300}, {"os": "z"}]),
    )
    count = draw(st.integers(0, 14))
    ids = draw(st.permutations([ImageId(str(UUID(int=number))) for number in range(count)]))
    all_images = tuple(replace(draw(made), id=image_id) for image_id in ids)
    pairs = [(each.id, project) for each in all_images for project in PROJECTS]
    shares = draw(st.dictionaries(st.sampled_from(pairs), st.sampled_from(MemberStatus))) if pairs else {}
    return World(all_images, shares)


TIME = st.sampled_from([time.isoformat() for time in TIMES])
KEY = st.sampled_from(["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"])
DIRECTION = st.sampled_from(["asc", "desc"])
SORT = st.lists(st.tuples(KEY, DIRECTION).map(":".join), min_size=1, max_size=3).map(",".join)
OPTIONS: dict[str, st.SearchStrategy[str]] = {
    "sort": SORT,
    "visibility": st.sampled_from([*Visibility, "all"]),
    "member_status": st.sampled_from([*MemberStatus, "all"]),
    "os_hidden": st.just("True"),
}
FILTERS: dict[str, st.SearchStrategy[str]] = {
    "name": st.sampled_from(['in:a,B,"b,c"', "eq:a", "a", "ä", "", "contains:b", "contains:%", "contains:ä"]),
    "id": st.sampled_from([str(UUID(int=1)), f"in:{UUID(int=2)},{UUID(int=3)},x"]),
    "status": st.sampled_from(["active", "in:queued,deactivated", "killed"]),
    "disk_format": st.just("raw"),
    "protected": st.sampled_from(["true", "false"]),
    "owner": st.sampled_from(PROJECTS),
    "tag": st.sampled_from(["a", "b", "c"]),
    "os": st.sampled_from(["x", "z"]),
    "long": st.sampled_from(["y" * 300, "y" * 255]),
    "size_min": st.sampled_from(["0", "1"]),
    "size_max": st.sampled_from(["1", str(2**41)]),
    "min_disk_max": st.sampled_from(["1", str(2**62)]),
    "min_disk": st.sampled_from(["1", str(2**62)]),
    "created_at": st.tuples(st.sampled_from(["", "eq:", "neq:", "gt:", "gte:", "lt:", "lte:"]), TIME).map("".join),
    "updated_at": st.tuples(st.sampled_from(["", "eq:", "neq:", "gt:", "gte:", "lt:", "lte:"]), TIME).map("".join),
}


def pair_of(name: str, value: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(st.just(name), value)


OPTION = st.fixed_dictionaries({}, optional=OPTIONS)
SOME_FILTERS = st.lists(st.one_of([pair_of(name, value) for name, value in FILTERS.items()]), max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    world=worlds(),
    who=st.sampled_from(PRINCIPALS),
    options=OPTION,
    filters=SOME_FILTERS,
    limit=st.integers(1, 5),
    counted=st.sampled_from([0, 1, 3, 2000]),
    few=st.sampled_from([0, 100]),
)
def test_the_pages_are_what_a_plain_filter_and_sort_give(
    engine: Engine,
    world: World,
    who: Viewer,
    options: dict[str, str],
    filters: list[tuple[str, str]],
    limit: int,
    counted: int,
    few: int,
) -> None:
    query = parse([("limit", str(limit)), *options.items(), *filters], who)
    with rolled_back(engine) as connection, patch.multiple(list_leading, COUNTED=counted, FEW=few):
        forget_what_leads(connection)
        store(connection, world)
        everything = expected(world, query)
        assert all_pages(connection, query) == everything
        assert listing.count(connection, query) == min(len(everything), limit)
        assert listing.count(connection, replace(query, limit=1000)) == len(everything)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    world=worlds(),
    rule=rule_texts("rule:context_is_admin", f'"{UUID(int=1)}":%(image_id)s'),
    admin=rule_texts(),
    who=st.sampled_from([principal("lab"), principal("mill", "reader", "auditor"), principal("ops", "admin")]),
    options=OPTION,
    filters=SOME_FILTERS,
    limit=st.integers(1, 5),
)
@example(
    world=World((image(owner=None),), {}), rule="not project_id:%(owner)s", admin="role:admin",
    who=principal("ops", "admin"), options={}, filters=[], limit=1,
)  # fmt: skip
@example(  # nobody sees anything, which SQLite was told with an index that it could not use then
    world=World((image(),), {}), rule='"lab":%(nothing)s', admin="role:admin",
    who=principal("lab"), options={"sort": "name:asc"}, filters=[], limit=1,
)  # fmt: skip
def test_the_pages_are_full_of_what_the_rule_lets_the_principal_see(
    engine: Engine,
    world: World,
    rule: str,
    admin: str,
    who: Principal,
    options: dict[str, str],
    filters: list[tuple[str, str]],
    limit: int,
) -> None:
    access = Access({"get_images": "@", "get_image": rule, "context_is_admin": admin})
    query = parse([("limit", str(limit)), *options.items(), *filters], access.viewer(who))

    def sees(each: Image) -> bool:
        return access.allows(who, "get_image", Seen(each, is_member=(each.id, who.project_id) in world.shares))

    with rolled_back(engine) as connection:
        forget_what_leads(connection)
        store(connection, world)
        assert all_pages(connection, query) == list(filter(sees, expected(world, query)))
        for each in world.images:
            if sees(each):
                listing.page(connection, replace(query, marker=each.id))
            else:
                with pytest.raises(InvalidInput, match="begin at the first page"):
                    listing.page(connection, replace(query, marker=each.id))


def test_each_part_of_a_rule_filters_every_list(connection: Connection) -> None:
    kinds = product([MINE, OTHER, None], Visibility, [Status.ACTIVE, Status.QUEUED], [None, MINE, OTHER])
    made, shares = [], {}
    for number, (owner, visibility, status, member) in enumerate(kinds):
        made.append(numbered(number, owner=owner, visibility=visibility, status=status))
        if member is not None:
            shares[made[-1].id, member] = MemberStatus.ACCEPTED
    world = World(tuple(made), shares)
    store(connection, world)
    people = [principal("lab", "reader"), principal("ops", "admin")]
    for rule, who in product([*LEAVES, *map("not {}".format, LEAVES)], people):
        access = Access({"get_images": "@", "get_image": rule})
        for asked in [{}, {"visibility": "all"}, *({"visibility": each.value} for each in Visibility)]:
            query = parse([("limit", "1000"), *asked.items()], access.viewer(who))
            seen = [Seen(each, (each.id, who.project_id) in shares) for each in expected(world, query)]
            visible = [each.image for each in seen if access.allows(who, "get_image", each)]
            assert listing.page(connection, query) == visible, (rule, who.project_id, asked)


def forget_what_leads(connection: Connection) -> None:
    list_leading.plan_of.cache_clear()
    connection.info.clear()


def all_pages(connection: Connection, query: Query) -> list[Image]:
    found: list[Image] = []
    while page := listing.page(connection, query):
        assert len(page) <= query.limit
        assert len(found) % query.limit == 0, "all pages but the last are full"
        found += page
        assert len(found) < 100, "the list does not end"
        query = replace(query, marker=page[-1].id)
    return found


# Who sees what


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("status", [*MemberStatus, None])
@pytest.mark.parametrize("asked", [{}, {"member_status": "all"}, {"visibility": "all"}, {"visibility": "shared"}])
def test_a_foreign_image_is_listed_if_it_is_public_or_accepted(
    connection: Connection, visibility: Visibility, status: MemberStatus | None, asked: dict[str, str]
) -> None:
    theirs = image(owner=OTHER, visibility=visibility)
    world = World((theirs,), {(theirs.id, MINE): status} if status else {})
    store(connection, world)
    wanted = {*MemberStatus} if asked == {"member_status": "all"} else {MemberStatus.ACCEPTED}
    shown = {
        Visibility.PUBLIC: asked.get("visibility") != "shared",
        Visibility.COMMUNITY: asked.get("visibility") == "all",
        Visibility.SHARED: status in wanted,
        Visibility.PRIVATE: False,
    }[visibility]
    assert (listed(connection, **asked) == [*world.images]) is shown


@pytest.mark.parametrize("visibility", Visibility)
def test_an_own_image_is_listed_once_whatever_its_visibility(connection: Connection, visibility: Visibility) -> None:
    own = image(visibility=visibility)
    world = World((own,), {(own.id, MINE): MemberStatus.ACCEPTED})
    store(connection, world)
    for asked in ({}, {"visibility": visibility}, {"visibility": "all"}):
        assert listed(connection, **asked) == [*world.images]


@pytest.mark.parametrize("visibility", Visibility)
def test_an_administrator_lists_all_but_foreign_communities(connection: Connection, visibility: Visibility) -> None:
    store(connection, World((image(visibility=visibility),), {}))
    assert len(listed(connection, PRINCIPALS[2])) == (visibility is not Visibility.COMMUNITY)
    assert len(listed(connection, PRINCIPALS[2], visibility="all")) == 1
    assert len(listed(connection, PRINCIPALS[2], visibility=visibility)) == 1


def test_deleted_images_are_never_listed(connection: Connection) -> None:
    gone = image(tags=("a",), properties={"os": "x"})
    store(connection, World((gone,), {(gone.id, OTHER): MemberStatus.ACCEPTED}))
    lifecycle.mark_deleted(connection, gone.id, LATER)
    queries: list[dict[str, str]] = [
        {},
        {"tag": "a"},
        {"os": "x"},
        {"deleted": "true"},
        {"status": "deleted"},
        {"id": gone.id},
    ]
    for query in queries:
        assert listed(connection, **query) == listed(connection, PRINCIPALS[2], **query) == []
    assert members.list_of(connection, gone.id) == []


def test_wildcards_are_ordinary_characters(connection: Connection) -> None:
    store(connection, World((image(name="abc", properties={"os": "abc"}),), {}))
    assert listed(connection, name="a%") == listed(connection, os="a_c") == []


def test_as_many_filters_as_there_may_be_are_asked(connection: Connection) -> None:
    query = parse([(f"p{number}", "x") for number in range(256)], PRINCIPALS[0])
    full = image(properties=dict(query.properties))
    store(connection, World((full,), {}))
    assert listing.page(connection, query) == [full]


# Markers


@pytest.mark.parametrize("marker", ["", "x", "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a12", "%", "' OR 1=1 --"])
def test_an_unknown_marker_is_refused(connection: Connection, marker: str) -> None:
    for limit in ("0", "25"):
        with pytest.raises(InvalidInput, match="begin at the first page"):
            listed(connection, marker=marker, limit=limit)


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.SHARED])
def test_a_marker_that_the_principal_may_not_see_is_unknown(connection: Connection, visibility: Visibility) -> None:
    store(connection, World((image(owner=OTHER, visibility=visibility),), {}))
    with pytest.raises(InvalidInput):
        listed(connection, marker=image().id)


@pytest.mark.parametrize("status", MemberStatus)
def test_a_marker_need_be_readable_not_listed(connection: Connection, status: MemberStatus) -> None:
    theirs = image(owner=OTHER, visibility=Visibility.SHARED)
    store(connection, World((theirs,), {(theirs.id, MINE): status}))
    assert listed(connection, marker=theirs.id) == []


def test_after_the_last_image_comes_an_empty_page(connection: Connection) -> None:
    store(connection, World((image(),), {}))
    assert listed(connection, marker=image().id) == []


@pytest.mark.parametrize("sort", ["created_at:desc", "name:desc", "size:desc,name:desc", "disk_format:asc,id:desc"])
def test_a_list_goes_on_behind_an_image_that_was_deleted_meanwhile(connection: Connection, sort: str) -> None:
    made = [numbered(number, name=f"n{number}", size=number, disk_format="raw") for number in range(4)]
    store(connection, World(tuple(made), {}))
    first = listed(connection, limit="2", sort=sort)
    lifecycle.mark_deleted(connection, first[-1].id, LATER)
    assert listed(connection, marker=first[-1].id, sort=sort) == [made[1], made[0]]


@pytest.mark.parametrize("sort", ["updated_at", "status"])
def test_a_deleted_marker_that_lost_its_place_is_unknown(connection: Connection, sort: str) -> None:
    store(connection, World((image(),), {}))
    lifecycle.mark_deleted(connection, image().id, LATER)
    with pytest.raises(InvalidInput, match="begin at the first page"):
        listed(connection, marker=image().id, sort=sort)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=12),
    limit=st.integers(1, 4),
    sort=st.sampled_from(["created_at:desc", "created_at:asc", "name:asc,created_at:desc"]),
)
def test_what_stays_is_listed_once_whatever_comes_and_goes_between_pages(
    engine: Engine, changes: Sequence[tuple[bool, int]], limit: int, sort: str
) -> None:
    there = {number: numbered(number, name=f"n{number % 3}") for number in range(0, 30, 3)}
    stays, waiting, found = dict(there), list(changes), []
    query = parse({"limit": str(limit), "sort": sort}.items(), PRINCIPALS[0])
    with rolled_back(engine) as connection:
        store(connection, World(tuple(there.values()), {}))
        ever = set(there)
        while page := listing.page(connection, query):
            found += [each.id for each in page]
            query = replace(query, marker=page[-1].id)
            if waiting:
                comes, number = waiting.pop()
                if comes and number not in ever:
                    ever.add(number)
                    images.add(connection, numbered(number, name=f"n{number % 3}"))
                elif not comes and number in ever:
                    lifecycle.mark_deleted(connection, numbered(number).id, LATER)
                    stays.pop(number, None)
    assert len(found) == len(set(found))
    assert {each.id for each in stays.values()} <= set(found)


# Plans


def plan_of(engine: Engine, query: Query) -> list[str]:
    """SQLite's plan of the statement that reads the page."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        seen.append((statement, parameters))

    with rolled_back(engine) as connection:
        tagged = [numbered(n, tags=("a",), properties={"os": "x", "arch": "y"}, name="n") for n in range(3)]
        store(connection, World(tuple(tagged), {}))
        event.listen(engine, "before_cursor_execute", note)
        listing.page(connection, query)
        event.remove(engine, "before_cursor_execute", note)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {seen[-1][0]}", seen[-1][1])
        return [row.detail for row in rows]


MARKER = {"marker": numbered(1).id}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("marker", [{}, MARKER])
@pytest.mark.parametrize(
    ("who", "asked", "leads"),
    [
        (PRINCIPALS[0], {"visibility": "public"}, "ix_images_visibility"),
        (PRINCIPALS[2], {}, "ix_images_created_at"),
        (PRINCIPALS[0], {"os": "x"}, "image_properties USING PRIMARY KEY"),
        (PRINCIPALS[0], {"os": "x", "arch": "y"}, "image_properties USING PRIMARY KEY"),
        (PRINCIPALS[0], {"tag": "a"}, "image_tags USING PRIMARY KEY"),
        (PRINCIPALS[0], {"name": "n"}, "ix_images_name"),
        (PRINCIPALS[2], {"name": "n"}, "ix_images_name"),
    ],
)
def test_a_page_in_the_default_order_is_read_from_one_index_without_sorting(
    engine: Engine, who: Viewer, asked: dict[str, str], leads: str, marker: dict[str, str]
) -> None:
    plan = plan_of(engine, parse((asked | marker).items(), who))
    assert leads in plan[0]
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("marker", [{}, MARKER])
def test_of_the_default_list_only_the_branches_pages_are_sorted(engine: Engine, marker: dict[str, str]) -> None:
    plan = plan_of(engine, parse(marker.items(), PRINCIPALS[0]))
    assert plan.count("USE TEMP B-TREE FOR ORDER BY") == 4, "of the keys of each, and of the records of one page"
    assert plan[-1] == "USE TEMP B-TREE FOR ORDER BY"
    for index in ("ix_images_owner", "ix_images_visibility", "ix_image_members_member_id_status"):
        assert any(index in step for step in plan)


def test_what_leads_is_remembered_and_what_it_gives_is_not(engine: Engine, connection: Connection) -> None:
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    made = [numbered(number, tags=("a",)) for number in range(list_leading.FEW + 2)]
    store(connection, World(tuple(made[:-1]), {}))
    assert listed(connection, tag="a", limit="1") == [made[-2]]
    store(connection, World((made[-1],), {}))
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert listed(connection, tag="a", limit="1") == [made[-1]]
        assert len(seen) == 1
        assert listed(connection, tag="a", limit="1", name="n") == []
        assert len(seen) == 3, "few of one filter: nothing else is counted"
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_members_keep_the_time_of_their_image(connection: Connection) -> None:
    store(connection, World((image(),), {(image().id, OTHER): MemberStatus.PENDING}))
    assert connection.execute(image_members.select()).one().image_created_at == T0
