"""The database's part of a list: ``python -m bench.listing [--images 100000] [--engine sqlite|postgresql]``.

Fills a throw-away database with images of 15 properties and takes the time of `db.listing.page`: statements, rows, and
`Image` objects made of them. The figures are medians: other work on the machine shows in the 95th percentile.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from postgres import TEMPLATE, postgres_server
from stillage.accounts.principal import Principal
from stillage.db import schema
from stillage.db.columns import EPOCH
from stillage.db.listing import page
from stillage.db.session import make_engine
from stillage.ids import ProjectId, UserId
from stillage.images.access import Access, with_implied
from stillage.images.query import Query, parse

ROUNDS = 200
BAR_MS = 5.0
DEEP_BAR = 1.5
BATCH = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
LAB = Principal(UserId("erin"), ProjectId("lab"), with_implied(frozenset({"member"})))
ADMIN = Principal(UserId("root"), ProjectId("ops"), with_implied(frozenset({"admin"})))
SMALL = Principal(UserId("ann"), ProjectId("p007"), with_implied(frozenset({"member"})))


@dataclass(frozen=True)
class Seed:
    """One image of *count*, always the same: every attribute follows from its number."""

    number: int

    @property
    def id(self) -> str:
        return str(UUID(int=random.Random(self.number).getrandbits(128), version=4))

    @property
    def owner(self) -> str:
        return "lab" if self.number % 5 < 2 else f"p{self.number % 300:03}"

    @property
    def created_at(self) -> int:
        return (START + timedelta(seconds=self.number // 3) - EPOCH) // timedelta(microseconds=1)

    @property
    def visibility(self) -> str:
        return {0: "public", 1: "community", 2: "private"}.get(self.number % 47, "shared")

    @property
    def tags(self) -> list[str]:
        return ["nightly", f"team-{self.number % 2000}"]

    @property
    def properties(self) -> dict[str, str]:
        number = self.number
        common = {f"hw_option_{option}": "true" if number % (option + 2) else "false" for option in range(10)}
        return common | {
            "os_type": "windows" if number % 5 == 4 else "linux",
            "os_distro": f"distro-{number % 10}",
            "architecture": "x86_64",
            "build": f"build-{number // 10}",
            "owner_specified.openstack.sha256": f"{number:064x}",
        }

    def row(self) -> tuple[Any, ...]:
        number = self.number
        return (
            self.id, self.owner, f"web-{number // 4:07}", "queued" if number % 1000 == 0 else "active",
            self.visibility, False, False, "bare", "qcow2", 10, 512, number * 4096, number * 8192, f"{number:032x}",
            "sha512", f"{number:0128x}", json.dumps(self.tags), json.dumps(self.properties), 1, self.created_at,
            self.created_at, False,
        )  # fmt: skip


COLUMNS = (
    "id", "owner", "name", "status", "visibility", "protected", "os_hidden", "container_format", "disk_format",
    "min_disk", "min_ram", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "tags", "properties",
    "version", "created_at", "updated_at", "has_members",
)  # fmt: skip


# The engines take tags and properties out of the records, in the order of the clustered keys: at a million images that
# is ten times faster than rows from here.
PROPERTIES = """
INSERT INTO image_properties (name, value, created_at, image_id)
SELECT each.key, each.value, created_at, images.id FROM images, {each}(properties) AS each ORDER BY 1, 2, 3, 4
"""
TAGS = """
INSERT INTO image_tags (tag, created_at, image_id)
SELECT each.value, created_at, images.id FROM images, {each}(tags) AS each ORDER BY 1, 2, 3
"""
FILTERED_BY = {
    "sqlite": (PROPERTIES.format(each="json_each"), TAGS.format(each="json_each")),
    "postgresql": (PROPERTIES.format(each="json_each_text"), TAGS.format(each="json_array_elements_text")),
}
FASTER = {"sqlite": "PRAGMA cache_size = -500000", "postgresql": "SET LOCAL session_replication_role = replica"}
"""For the transaction that fills: memory for pages, and no look at the image of each tag and property."""
SHARED = "UPDATE images SET has_members = true WHERE id IN (SELECT image_id FROM image_members)"
MEMBER_COLUMNS = ("member_id", "image_id", "status", "image_created_at", "created_at", "updated_at")


def fill(engine: Engine, count: int, *, lab: str = "lab") -> None:
    """Insert *count* images without asking for each, as fast as it goes. *lab*: the project of two of five."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        indexes = indexes_of(connection)
        for index in indexes:
            connection.execute(text(f"DROP INDEX {index}"))
        connection.execute(text(FASTER[connection.dialect.name]))
        put_images(connection, count, lab)
        for statement in FILTERED_BY[connection.dialect.name]:
            connection.execute(text(statement))
        shared = [seed for seed in map(Seed, range(min(count, 2000))) if seed.visibility == "shared"]
        members = ((lab, s.id, "accepted", s.created_at, s.created_at, s.created_at) for s in shared)
        put(connection, "image_members", MEMBER_COLUMNS, members)
        connection.execute(text(SHARED))
        for made in indexes.values():
            connection.execute(text(made))
    settle(engine)


def indexes_of(connection: Connection) -> dict[str, str]:
    """What makes each index of the tables that are filled: of all rows at once, many times faster than row by row."""
    master = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name"
    catalog = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'ix%' AND tablename"
    asked = catalog if connection.dialect.name == "postgresql" else master
    tables = "IN ('images', 'image_tags', 'image_properties')"
    return {row[0]: row[1] for row in connection.execute(text(f"{asked} {tables}"))}


def put_images(connection: Connection, count: int, lab: str = "lab") -> None:
    """Insert the records alone, without what they are filtered by."""
    rows = (Seed(number).row() for number in range(count))
    put(connection, "images", COLUMNS, ((row[0], lab if row[1] == "lab" else row[1], *row[2:]) for row in rows))


def settle(engine: Engine) -> None:
    """Let the engine do now what it does after many changes at some time of its own."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def put(connection: Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert *rows* as fast as the engine takes them."""
    (_copy if connection.dialect.name == "postgresql" else _insert)(connection, table, columns, rows)


def _insert(connection: Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    cursor = connection.connection.cursor()
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        cursor.executemany(statement, batch)
    cursor.close()


def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def database(engine_name: str) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="stillage-bench-") as folder:
        if engine_name == "sqlite":
            engine = make_engine(f"sqlite:///{folder}/stillage.sqlite")
            schema.upgrade(engine)
            yield engine
            engine.dispose()
        else:
            with postgres_server() as server, server.fresh(TEMPLATE) as url:
                engine = make_engine(url)
                yield engine
                engine.dispose()


def scenarios(count: int) -> dict[str, Query]:
    """The first five are those with a bar; `LAB` owns two images of five, `SMALL` very few."""
    middle = Seed(count // 2 - (count // 2) % 5)
    pairs: dict[str, tuple[Principal, dict[str, str]]] = {
        "first page, own and public": (LAB, {}),
        "deep page, own and public": (LAB, {"marker": middle.id}),
        "by name": (LAB, {"name": f"web-{middle.number // 4:07}"}),
        "by common property": (LAB, {"os_type": "linux"}),
        "by common property, deep": (LAB, {"os_type": "linux", "marker": middle.id}),
        "by rare property": (LAB, {"build": f"build-{middle.number // 10}"}),
        "by unknown property": (LAB, {"nothing": "here"}),
        "by common and rare property": (LAB, {"os_type": "linux", "build": f"build-{middle.number // 10}"}),
        "by two common properties": (LAB, {"os_type": "linux", "architecture": "x86_64"}),
        "by common tag": (LAB, {"tag": "nightly"}),
        "by rare tag": (LAB, {"tag": "team-10"}),
        "by rare status": (LAB, {"status": "queued"}),
        "by common status": (LAB, {"status": "active"}),
        "public only": (LAB, {"visibility": "public"}),
        "private only": (LAB, {"visibility": "private"}),
        "shared with the principal": (LAB, {"visibility": "shared", "member_status": "all"}),
        "small project": (SMALL, {}),
        "small project, by common property": (SMALL, {"os_type": "linux"}),
        "administrator": (ADMIN, {}),
        "administrator, deep": (ADMIN, {"marker": middle.id}),
        "administrator, by common property": (ADMIN, {"os_type": "linux"}),
        "1,000 images at once": (LAB, {"limit": "1000"}),
        "sorted by name": (LAB, {"sort": "name:asc"}),
        "small project, sorted by name": (SMALL, {"sort": "name:asc"}),
    }
    return {name: parse(given.items(), Access().viewer(principal)) for name, (principal, given) in pairs.items()}


def milliseconds(work: Callable[[], object], rounds: int) -> list[float]:
    """The time of each round, after some to warm up: PostgreSQL settles on a plan after ten."""
    took = []
    for _ in range(rounds + 12):
        begin = time.perf_counter()
        work()
        took.append((time.perf_counter() - begin) * 1000)
        if sum(took) > 10_000 and len(took) > 20:
            break
    return took[12:]


def measure(engine: Engine, count: int, rounds: int) -> Table:
    table = Table(title=f"{engine.dialect.name}, {count:,} images of 15 properties; ms for a page of 25")
    for heading in ("list", "median", "95 %", "rows", "bar"):
        table.add_column(heading, justify="left" if heading == "list" else "right")
    medians: dict[str, float] = {}
    for name, query in scenarios(count).items():
        with engine.connect() as connection:
            took = milliseconds(partial(page, connection, query), rounds)
            rows = len(page(connection, query))
        medians[name] = median(took)
        table.add_row(
            name, f"{medians[name]:.2f}", f"{quantiles(took, n=20)[-1]:.2f}", f"{rows}", _verdict(medians, name)
        )
    return table


def _verdict(medians: dict[str, float], name: str) -> str:
    first = medians.get("first page, own and public", 0.0)
    if name == "deep page, own and public":
        ratio = medians[name] / first
        return f"{ratio:.2f}x first: {'ok' if ratio <= DEEP_BAR else 'above'}"
    if name.startswith("1,000"):
        return "none"
    return "ok" if medians[name] < BAR_MS else "above"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, action="append", help="how many; repeatable; 1000000 is slow to fill")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    console = Console()
    for engine_name in options.engine or ["sqlite", "postgresql"]:
        for count in options.images or [1_000, 100_000]:
            with database(engine_name) as engine:
                begin = time.perf_counter()
                fill(engine, count)
                console.print(f"{engine_name}: {count:,} images filled in {time.perf_counter() - begin:.0f} s")
                console.print(measure(engine, count, options.rounds))


if __name__ == "__main__":
    main()
