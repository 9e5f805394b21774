"""The database's part of ``GET /v2/cloudimages?limit=25``: ``python -m bench.ims_lists [--engine sqlite|postgresql]``.

Fills a throw-away database with 100,000 images of several systems, 40,000 of them the project's own, and takes the
time of a page by each documented filter, as `bench.listing` does. As in the profile ims, those that are shared have
members.
"""

import argparse
import random
from collections.abc import Mapping
from functools import partial
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from bench import listing
from bench.listing import BAR_MS, LAB, Seed, database, milliseconds, put, settle
from stillage.api.ims.query import parse as parse_ims
from stillage.db.listing import page
from stillage.images.access import Access
from stillage.images.automatic import INDEX_PREFIX
from stillage.images.operating_systems import system_of
from stillage.images.query import Query, parse

COUNT = 100_000
ROUNDS = 50
VERSIONS = (
    "Ubuntu 22.04 Server 64bit", "CentOS 7.3 64bit", "Windows 10 64bit", "CentOS 6.3 32bit", "Other Linux(64 bit)",
)  # fmt: skip
UNUSED = "Fedora 30 64bit"
FILTERS = (
    "", "__isregistered=true", "__isregistered=false", "__imagetype=gold", "__imagetype=private", "__imagetype=shared",
    "__imagetype=market", "__whole_image=true", "__system__cmkid=k", "protected=true", "protected=false",
    "visibility=public", "visibility=private", "visibility=shared", "owner=lab", "owner=p007", "name=web-0012500",
    "status=active", "status=queued", "status=saving", "container_format=bare", "disk_format=qcow2",
    "disk_format=zvhd2", "min_ram=512", "min_ram=0", "min_disk=10", "min_disk=40", "__os_bit=32", "__os_bit=64",
    "__platform=Ubuntu", "__platform=Other", "__platform=SUSE", "__os_type=Linux", "__os_type=Windows",
    "__os_type=Other", f"__os_version={VERSIONS[0]}", f"__os_version={VERSIONS[-1]}", f"__os_version={UNUSED}",
    f"marker={Seed(COUNT // 2).id}", f"id={Seed(COUNT // 2).id}", "tag=nightly", "tag=team-10", "tag=absent=x",
    "member_status=accepted&visibility=shared&__imagetype=shared",
    "member_status=pending&visibility=shared&__imagetype=shared", "__support_kvm=true", "__support_xen=true",
    "virtual_env_type=FusionCompute", "virtual_env_type=DataImage", "enterprise_project_id=0",
    "created_at=gt:2026-01-01T05:00:00Z", "created_at=lt:2020-01-01T00:00:00Z",
    "updated_at=gte:2026-01-01T05:00:00Z", "updated_at=lt:2020-01-01T00:00:00Z", "architecture=x86",
    "architecture=arm", "__imagetype=gold&visibility=public&protected=true", "owner=lab&__imagetype=private",
)  # fmt: skip


class ImsSeed(Seed):
    """An image as clients of IMS make them. Its system depends on nothing else that it is."""

    @property
    def version(self) -> str:
        return random.Random(self.number + 7).choice(VERSIONS)

    @property
    def visibility(self) -> str:
        return {0: "public"}.get(self.number % 47, "private" if self.number % 10 else "shared")

    @property
    def properties(self) -> dict[str, str]:
        made = {"__os_version": self.version, "max_ram": "0", "__data_origin": f"file,bucket:{self.number}"}
        return made | ({"__support_kvm": "true"} if self.number % 2 else {})

    @property
    def indexed(self) -> Mapping[str, str]:
        system = system_of(self.version)
        guest = {"__os_version": system.version, "__os_type": system.kind, "__platform": system.platform}
        guest |= {"__os_bit": str(system.bits), "virtual_env_type": "FusionCompute", "architecture": "x86"}
        return self.properties | {INDEX_PREFIX + name: value for name, value in guest.items()}


def fill(engine: Engine) -> None:
    """Insert the images in the order of each index, and those that have members, which others accepted."""
    seeds = [ImsSeed(number) for number in range(COUNT)]
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        indexes = listing.indexes_of(connection)
        for index in indexes:
            connection.execute(text(f"DROP INDEX {index}"))
        put(connection, "images", listing.COLUMNS, (seed.row() for seed in seeds))
        rows = sorted((*pair, seed.created_at, seed.id) for seed in seeds for pair in seed.indexed.items())
        put(connection, "image_properties", ("name", "value", "created_at", "image_id"), rows)
        tagged = sorted((tag, seed.created_at, seed.id) for seed in seeds for tag in seed.tags)
        put(connection, "image_tags", ("tag", "created_at", "image_id"), tagged)
        shared = [seed for seed in seeds if seed.visibility == "shared"]
        members = [
            (
                "p007" if seed.owner == "lab" else "lab",
                seed.id,
                ("accepted", "pending")[seed.number // 10 % 2],
                *[seed.created_at] * 3,
            )
            for seed in shared
        ]
        put(connection, "image_members", listing.MEMBER_COLUMNS, members)
        connection.execute(text(listing.SHARED))
        for made in indexes.values():
            connection.execute(text(made))
    settle(engine)


def query_of(text_of_query: str) -> Query:
    pairs = [tuple(pair.split("=", 1)) for pair in text_of_query.split("&") if pair]
    translated = parse_ims([*((name, value) for name, value in pairs), ("limit", "25")])
    return translated.apply(parse(translated.pairs, Access().viewer(LAB)))


def measure(engine: Engine) -> Table:
    table = Table(title=f"{engine.dialect.name}, {COUNT:,} images; ms for a page of 25")
    for heading in ("filter", "median", "95 %", "rows", "bar"):
        table.add_column(heading, justify="left" if heading == "filter" else "right")
    for name in FILTERS:
        query = query_of(name)
        with engine.connect() as connection:
            took = milliseconds(partial(page, connection, query), ROUNDS)
            rows = len(page(connection, query))
        verdict = "ok" if median(took) < BAR_MS else "above"
        table.add_row(name or "none", f"{median(took):.2f}", f"{quantiles(took, n=20)[-1]:.2f}", f"{rows}", verdict)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    for engine_name in options.engine or ["sqlite", "postgresql"]:
        with database(engine_name) as engine:
            fill(engine)
            Console().print(measure(engine))


if __name__ == "__main__":
    main()
