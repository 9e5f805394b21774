"""Reads the database of a Glance, and never writes to it. Source: Glance 33, `glance/db/sqlalchemy/models*.py`.

In batches, each a transaction of its own: a reader of hours would keep a running Glance from writing to SQLite.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    func,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from stillage.errors import BadSettings
from stillage.images.glance import GlanceImage, GlanceMember

AT_ONCE = 200
GONE = ("deleted", "pending_delete")
DRIVERS: Mapping[str, tuple[str, str]] = {"postgresql": ("postgresql+psycopg", "postgresql")}
"""What speaks with a database, and our extra that installs it."""
CONNECT_WITHIN_S = 8

_glance = MetaData()
_times = "created_at", "updated_at"


def _table(name: str, *columns: Column[Any]) -> Table:
    deleted = [] if name.startswith("metadef_") else [Column("deleted", Boolean)]
    return Table(name, _glance, *columns, *(Column(each, DateTime) for each in _times), *deleted)


def _of_image(name: str, *columns: Column[Any]) -> Table:
    return _table(name, Column("id", Integer), Column("image_id", String), *columns)


images = _table(
    "images",
    *(Column(name, String) for name in ("id", "name", "disk_format", "container_format", "status", "visibility")),
    *(Column(name, String) for name in ("checksum", "os_hash_algo", "os_hash_value", "owner")),
    *(Column(name, BigInteger) for name in ("size", "virtual_size", "min_disk", "min_ram")),
    *(Column(name, Boolean) for name in ("protected", "os_hidden")),
)
image_properties = _of_image("image_properties", Column("name", String), Column("value", Text))
image_tags = _of_image("image_tags", Column("value", String))
image_members = _of_image("image_members", Column("member", String), Column("status", String))
image_locations = _of_image("image_locations", Column("value", Text), Column("status", String))
OF_IMAGE = image_properties, image_tags, image_members, image_locations
FIELDS = (
    "id", "name", "status", "visibility", "owner", "protected", "os_hidden", "disk_format", "container_format",
    "min_disk", "min_ram", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
)  # fmt: skip
LIVE = images.c.deleted.is_(False) & images.c.status.not_in(GONE)

namespaces = _table(
    "metadef_namespaces",
    Column("id", Integer),
    *(Column(name, String) for name in ("namespace", "display_name", "description", "visibility", "owner")),
    Column("protected", Boolean),
)
objects = _table(
    "metadef_objects",
    Column("namespace_id", Integer),
    *(Column(name, Text) for name in ("name", "description", "required", "json_schema")),
)
properties = _table(
    "metadef_properties", Column("namespace_id", Integer), Column("name", String), Column("json_schema", Text)
)
tags = _table("metadef_tags", Column("namespace_id", Integer), Column("name", String))
resource_types = _table("metadef_resource_types", Column("id", Integer), Column("name", String))
associations = _table(
    "metadef_namespace_resource_types",
    *(Column(name, Integer) for name in ("namespace_id", "resource_type_id")),
    *(Column(name, String) for name in ("prefix", "properties_target")),
)


@contextmanager
def open_glance(where: str) -> Iterator[Engine]:
    """Open the database that *where* names: a file of SQLite, or a URL as in `[database] connection` of Glance.

    Raises:
        BadSettings: If it cannot be read, or is not the database of a Glance that we know.
    """
    engine = _engine(where)
    try:
        with engine.connect() as connection:
            connection.execute(select(images).limit(0))
            connection.execute(select(image_locations.c.status).limit(0))
        yield engine
    except DBAPIError as error:
        why = " ".join(str(error.orig).split())
        raise BadSettings(f"{where_shown(where)} is not the database of a Glance, Rocky or newer: {why}") from error
    finally:
        engine.dispose()


def where_shown(where: str) -> str:
    """Return *where* without a password in it."""
    return make_url(where).render_as_string(hide_password=True) if "://" in where else where


def count_images(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(images).where(LIVE)).scalar_one()


def read_images(engine: Engine) -> Iterator[GlanceImage]:
    """Yield the images that are not deleted, in the order of their ids."""
    last = ""
    while batch := _batch(engine, last):
        yield from batch
        last = batch[-1].id


def read_namespaces(engine: Engine) -> Iterator[tuple[dict[str, Any], datetime, datetime]]:
    """Yield the namespaces of metadata definitions, each as JSON in one document; when it was made, and changed."""
    with engine.connect() as connection:
        for row in connection.execute(select(namespaces).order_by(namespaces.c.namespace)).all():
            made = _utc(row.created_at)
            yield _namespace(connection, row), made, _utc(row.updated_at) if row.updated_at else made


def _namespace(connection: Connection, row: Any) -> dict[str, Any]:
    associated = (
        select(associations, resource_types.c.name)
        .join(resource_types, resource_types.c.id == associations.c.resource_type_id)
        .where(associations.c.namespace_id == row.id)
    )
    return {
        **_given(row, "namespace", "display_name", "description", "visibility", "protected", "owner"),
        "objects": [_object(each) for each in connection.execute(_in(objects, row.id))],
        "properties": {each.name: json.loads(each.json_schema) for each in connection.execute(_in(properties, row.id))},
        "tags": [{"name": each.name} for each in connection.execute(_in(tags, row.id))],
        "resource_type_associations": [
            _given(each, "name", "prefix", "properties_target") for each in connection.execute(associated)
        ],
    }


def _engine(where: str) -> Engine:
    if "://" not in where:
        return _sqlite(Path(where))
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise BadSettings(
            "GLANCE_DB must be a file of SQLite, or a URL as in [database] connection of Glance"
        ) from error
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _sqlite(Path(url.database or ""))
    if kind not in DRIVERS:
        raise BadSettings(
            f"a database of {kind} cannot be read; copy it to PostgreSQL first, with pgloader (docs/adopting.md)"
        )
    return _server(url, *DRIVERS[kind])


def _sqlite(path: Path) -> Engine:
    if not path.is_file():
        raise BadSettings(f"there is no database {path}; [database] connection in glance-api.conf says where it is")
    read_only = f"file:{quote(str(path.absolute()))}?mode=ro"
    return create_engine("sqlite://", creator=partial(sqlite3.connect, read_only, uri=True))


def _server(url: URL, driver: str, extra: str) -> Engine:
    try:
        engine = create_engine(
            url.set(drivername=driver),
            connect_args={"connect_timeout": CONNECT_WITHIN_S},
            isolation_level="REPEATABLE READ",
        )
    except ModuleNotFoundError as error:
        raise BadSettings(f"{error.name} is missing to read {driver}; run: pip install 'stillage[{extra}]'") from error
    return engine.execution_options(postgresql_readonly=True)


def _batch(engine: Engine, last: str) -> list[GlanceImage]:
    with engine.connect() as connection:
        query = select(images).where(LIVE, images.c.id > last).order_by(images.c.id).limit(AT_ONCE)
        rows = connection.execute(query).all()
        ids = [row.id for row in rows]

        def belonging(table: Table) -> Mapping[str, list[Any]]:
            found = defaultdict(list)
            its_own = select(table).where(table.c.image_id.in_(ids), table.c.deleted.is_(False))
            for each in connection.execute(its_own.order_by(table.c.id)):
                found[each.image_id].append(each)
            return found

        more = {table.name: belonging(table) for table in OF_IMAGE}
    return [_image(row, {name: found.get(row.id, []) for name, found in more.items()}) for row in rows]


def _image(row: Any, more: Mapping[str, Collection[Any]]) -> GlanceImage:
    return GlanceImage(
        **{name: getattr(row, name) for name in FIELDS},
        created_at=_utc(row.created_at),
        updated_at=_utc(row.updated_at) if row.updated_at else None,
        tags=[each.value for each in more["image_tags"]],
        properties={each.name: each.value for each in more["image_properties"]},
        members=[
            GlanceMember(
                each.member,
                each.status,
                _utc(each.created_at),
                _utc(each.updated_at) if each.updated_at else None,
            )
            for each in more["image_members"]
        ],
        locations=[each.value for each in more["image_locations"] if each.status == "active"],
    )


def _in(table: Table, namespace_id: int) -> Any:
    return select(table).where(table.c.namespace_id == namespace_id).order_by(table.c.name)


def _object(row: Any) -> dict[str, Any]:
    required = [name for name in (row.required or "").split(",") if name]
    properties = json.loads(row.json_schema) if row.json_schema else {}
    return _given(row, "name", "description") | {"required": required, "properties": properties or {}}


def _given(row: Any, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(row, name)) is not None}


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC)
