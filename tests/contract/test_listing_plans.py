"""A page for each documented filter and sort reads few of many images, as each engine itself explains it."""

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from builders import T0, viewer
from stillage.db import listing
from stillage.db.columns import EPOCH
from stillage.db.lookups import Compiled, Question
from stillage.db.postgresql_lookups import BY_VALUE, FOR_ALL, PLANNING
from stillage.images.access import Viewer
from stillage.images.families import latest_in
from stillage.images.query import CONDITIONS, SORT_KEYS, Query, Sharing, parse

MANY = 20_000
FEW_ROWS = 300
"""How many rows a page may read, and count before."""
FEW_STEPS = 20_000
"""How many steps of its machine SQLite may take for that: to read every image takes several times as many."""
T = int((T0 - EPOCH).total_seconds())
WHO = {"a member": viewer("lab"), "an administrator": viewer("ops", "admin")}

# Half of them are public. Three of those differ from all the rest, in every attribute.
IMAGES = f"""
INSERT INTO images (id, owner, name, status, visibility, protected, os_hidden, container_format, disk_format, min_disk,
    min_ram, size, virtual_size, checksum, os_hash_algo, os_hash_value, tags, properties, version, created_at,
    updated_at, has_members)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY - 1}),
    made AS (SELECT n, CASE WHEN n % 8000 = 4000 THEN 1 ELSE 0 END AS kind FROM numbers)
SELECT 'id-' || n, 'owner-' || kind, 'name-' || kind, CASE kind WHEN 1 THEN 'queued' ELSE 'active' END,
    CASE n % 2 WHEN 0 THEN 'public' ELSE 'shared' END,
    kind = 1, 1 = 0, 'container-' || kind, 'disk-' || kind, kind, kind, kind, kind, 'checksum-' || kind,
    'algorithm-' || kind, 'digest-' || kind, '[]', '{{}}', 1, {T}000000 + n, {T}000000 + kind * 100000000,
    n % 2000 > 1
FROM made
"""
LACKING = """
UPDATE images SET name = NULL, container_format = NULL, disk_format = NULL, size = NULL
WHERE id IN ('id-1000', 'id-1001', 'id-9000', 'id-9001')
"""
KIND = "CASE owner WHEN 'owner-1' THEN '1' ELSE '0' END"
TAGS = f"INSERT INTO image_tags (tag, created_at, image_id) SELECT {KIND}, created_at, id FROM images"
PROPERTIES = (
    f"INSERT INTO image_properties (name, value, created_at, image_id) SELECT 'os', {KIND}, created_at, id FROM images"
)
FILTERS = {
    "name": "name-1", "id": "id-4000", "status": "queued", "container_format": "container-1", "disk_format": "disk-1",
    "owner": "owner-1", "checksum": "checksum-1", "os_hash_algo": "algorithm-1", "os_hash_value": "digest-1",
    "size": "1", "virtual_size": "1", "min_disk": "1", "min_ram": "1", "size_min": "1", "virtual_size_min": "1",
    "min_disk_min": "1", "min_ram_min": "1", "size_max": "-1", "virtual_size_max": "-1", "min_disk_max": "-1",
    "min_ram_max": "-1", "created_at": f"lt:{T0:%Y-%m-%dT%H:%M:%SZ}", "updated_at": f"gt:{T0:%Y-%m-%dT%H:%M:%SZ}",
    "protected": "true", "os_hidden": "true", "tag": "1", "os": "1", "visibility": "community", "member_status": "all",
}  # fmt: skip
SCOPES: Sequence[tuple[Viewer, dict[str, str]]] = (
    *[(principal, {}) for principal in (*WHO.values(), viewer("owner-0"))],
    (viewer("owner-0"), {"visibility": "shared"}),
    (viewer("owner-0"), {"status": "active"}),
)
PAGES = (
    {"sort_dir": "asc"},
    {"sort_dir": "desc"},
    {"sort_dir": "asc", "marker": "id-10000"},
    {"sort_dir": "desc", "marker": "id-10000"},
    {"sort_dir": "asc", "marker": "id-9000"},
)
COMMON = {"status": "active", "name": "name-0", "tag": "0", "os": "0", "protected": "false"}
"""Filters that nearly every image passes."""


@pytest.fixture
def many(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(writes=True) as connection, connection.begin() as transaction:
        for statement in (IMAGES, LACKING, TAGS, PROPERTIES):
            connection.execute(text(statement))
        if engine.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))
        yield connection
        transaction.rollback()


def test_no_documented_filter_or_sort_alone_reads_the_table(engine: Engine, many: Connection) -> None:
    check_latest(many)
    check_sorts(many)
    check_sharing(many)
    for who, principal in WHO.items():
        for name, value in FILTERS.items():
            found = explained(many, parse([(name, value)], principal))
            assert not found, f"{name}={value} of {who}: {found}"
        if engine.dialect.name == "postgresql":
            check_plans_on_the_loop(many, principal)


def check_latest(many: Connection) -> None:
    """Of a family of three images, and of one that has nearly all. What is counted before has a limit."""
    for (who, principal), value in itertools.product(WHO.items(), "01"):
        query = latest_in(parse([("os", value)], principal))
        found = explained(many, query, last=True)
        if many.dialect.name == "postgresql":
            *_, last = questions(many, query)
            found = on_the_loop(many, last)
        assert not found, f"{value} of {who}: {found}"


def check_sorts(many: Connection) -> None:
    """Of large scopes. What counts images before, a page of a filter has as well."""
    for (who, scope), key, page in itertools.product(SCOPES, SORT_KEYS, PAGES):
        asked = {**scope, "sort_key": key, **page}
        found = wrong_with_page(many, parse(asked.items(), who))
        assert not found, f"{asked} of {who}: {found}"


def check_sharing(many: Connection) -> None:
    """All but ten of the images that are not public have members."""
    for sharing in (Sharing.PRIVATE, Sharing.SHARED):
        found = wrong_with_page(many, replace(parse([], viewer("owner-0")), sharing=sharing))
        assert not found, f"{sharing}: {found}"


def wrong_with_page(many: Connection, query: Query) -> list[str]:
    found = explained(many, query, last=True)
    if many.dialect.name == "postgresql":
        *_, last = questions(many, query)
        found += on_the_loop(many, last)
    return found


def test_every_filter_is_explained() -> None:
    assert set(CONDITIONS) - {"changes-since"} <= set(FILTERS)


def explained(connection: Connection, query: Query, *, last: bool = False) -> list[str]:
    """What is wrong with the plans of the statements that give the page, or of the *last* one."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    listing.page(connection, query)
    event.remove(connection, "before_cursor_execute", note)
    explain = of_postgresql if connection.dialect.name == "postgresql" else of_sqlite
    return [wrong for statement in statements[-last:] for wrong in explain(connection, *statement)]


def of_sqlite(connection: Connection, statement: str, parameters: Any) -> list[str]:
    plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 100

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 100)
    connection.exec_driver_sql(statement, parameters).all()
    driver.set_progress_handler(None, 0)
    # A page may begin anywhere in an index: the steps tell whether it ends soon.
    wrong = [step for step in plan if step.startswith("SCAN image") and " USING INDEX " not in step]
    return wrong + ([f"{steps} steps: {plan}"] if steps > FEW_STEPS else [])


def of_postgresql(connection: Connection, statement: str, parameters: Any) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    return wrong_in(rows[0]["Plan"])


def wrong_in(plan: dict[str, Any]) -> list[str]:
    nodes = list(nodes_of(plan))
    wrong = [
        json.dumps(node) for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "images"
    ]
    read = sum(map(rows_read, nodes))
    return wrong + ([f"{read} rows: {json.dumps(plan)}"] if read > FEW_ROWS else [])


def check_plans_on_the_loop(connection: Connection, principal: Viewer) -> None:
    """As `explained`, of the plans that PostgreSQL makes once for all values."""
    for setting in PLANNING:
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    for name, value in FILTERS.items():
        found = [
            wrong
            for one in questions(connection, parse([(name, value)], principal))
            for wrong in on_the_loop(connection, one)
        ]
        assert not found, f"{name}={value}: {found}"
    for name, value in COMMON.items():
        *_, last = questions(connection, parse([(name, value)], principal))  # those before count up to a limit
        assert not (found := on_the_loop(connection, last)), f"{name}={value}: {found}"


def questions(connection: Connection, query: Query) -> list[Question]:
    asking, found = listing.page.questions({}, query), list[Question]()
    with suppress(StopIteration):
        question = next(asking)
        while True:
            found.append(question)
            question = asking.send(connection.execute(question.statement, question.keys).all())
    return found


def on_the_loop(connection: Connection, question: Question) -> list[str]:
    compiled = Compiled(question.statement, PGDialect(paramstyle="numeric_dollar"))  # type: ignore[no-untyped-call]
    driver: Any = connection.connection.driver_connection
    with psycopg.ClientCursor(driver) as cursor:
        values = ", ".join(cursor.mogrify("%s", [value]) for value in compiled.parameters(question.keys))
        how = (BY_VALUE if question.by_value else FOR_ALL).decode()
        cursor.execute(f"SET LOCAL plan_cache_mode = {how}; PREPARE asked AS {compiled.text}")
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked" + (f"({values})" if values else ""))
        ((rows,),) = cursor.fetchall()
        cursor.execute("DEALLOCATE asked")
    return wrong_in(rows[0]["Plan"])


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", []):
        yield from nodes_of(part)


def rows_read(node: dict[str, Any]) -> float:
    if "Relation Name" not in node:
        return 0
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
