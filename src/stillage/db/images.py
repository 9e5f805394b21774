"""The records of images. Plain functions of a connection, run by `Database.read` and `Database.write`."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, make_dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from stillage.db import usage
from stillage.db.lookups import Keys, Lookup, Rows
from stillage.db.prepared import Prepared
from stillage.db.tables import (
    image_members,
    image_properties,
    image_tags,
    images,
    indexed_value,
    placements,
    uploads,
)
from stillage.errors import AlreadyExists, ImageNotFound
from stillage.ids import ImageId, ProjectId
from stillage.images.access import Seen
from stillage.images.automatic import indexed
from stillage.images.image import Image, Visibility
from stillage.images.quota import Limits, Usage, scope_of_project
from stillage.images.status import Status

NO_LIMITS = Limits()
ATTRIBUTES = [attribute.name for attribute in fields(Image)]
COLUMNS = [images.c[name] for name in ATTRIBUTES]
"""What `image_of` takes."""
WIDTH = len(COLUMNS)
Unfrozen = make_dataclass("Unfrozen", ATTRIBUTES, slots=True)
"""An image that is not frozen yet. Frozen ones are made with a call for each attribute, in seven times the time."""
STATUS, VISIBILITY, TAGS = (ATTRIBUTES.index(name) for name in ("status", "visibility", "tags"))
STATUSES, VISIBILITIES = {str(each): each for each in Status}, {str(each): each for each in Visibility}
"""Looked up, which takes a fifth of what calling an enum does."""
SETTABLE = (
    "owner", "name", "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram",
)  # fmt: skip
ADD = Prepared(insert(images).values({name: bindparam(name) for name in ATTRIBUTES}))
FORMATS = frozenset({"disk_format", "container_format"})
ENTRIES = 16
"""How many tags or properties one statement adds at most: there is one for each number up to it."""
FORGET = {
    table.name: Prepared(delete(table).where(table.c.image_id == bindparam("forgotten_id")))
    for table in (image_tags, image_properties, image_members)
}


@lru_cache(64)
def _saving(names: frozenset[str]) -> Prepared:
    """A statement that changes the columns *names*. SQLite writes the indexes of each, changed or not."""
    saved = update(images).where(
        images.c.id == bindparam("image_id"),
        images.c.version == bindparam("version_before"),
        images.c.deleted_at.is_(None),
    )
    if names & FORMATS:
        saved = saved.where(images.c.status == bindparam("status_before"))
    return Prepared(saved.values({name: bindparam(name) for name in names}).returning(*COLUMNS))


@lru_cache(2 * ENTRIES)
def _adding(table: Table, count: int) -> Prepared:
    """A statement that adds *count* tags or properties of one image."""
    of_image = {name: bindparam(name, type_=table.c[name].type) for name in ("image_id", "created_at")}
    own = [column for column in table.c if column.name not in of_image]
    rows = [
        {column.name: bindparam(f"{column.name}_{n}", type_=column.type) for column in own} | of_image
        for n in range(count)
    ]
    return Prepared(insert(table).values(rows))


def add(connection: Connection, image: Image, limits: Limits = NO_LIMITS) -> None:
    """Store a new image.

    Raises:
        AlreadyExists: If the id is taken, also by a deleted image.
        QuotaExceeded: If its project has as many images as its quota allows.
    """
    usage.change(connection, scope_of_project(image.owner), Usage(images=1), limits)
    row = {name: getattr(image, name) for name in ATTRIBUTES}
    row |= {"tags": list(image.tags), "properties": dict(image.properties)}
    try:
        ADD.run(connection, row)
    except IntegrityError as error:
        raise AlreadyExists(f"the image id {image.id} is taken; ids are never used twice") from error
    index(connection, image)


def find(connection: Connection, image_id: str) -> Image | None:
    """Return the image, None if there is none or it was deleted."""
    row = connection.execute(select(*COLUMNS).where(images.c.id == image_id, images.c.deleted_at.is_(None))).first()
    return None if row is None else image_of(row)


def get(connection: Connection, image_id: str) -> Image:
    """Return the image; ImageNotFound if there is none."""
    image = find(connection, image_id)
    if image is None:
        raise ImageNotFound(image_id)
    return image


def save(connection: Connection, before: Image, after: Image) -> Image | None:
    """Store the difference between *before* and *after*; return the image as it now is.

    Touches only what users set: status, sizes and digests belong to uploads, which may run meanwhile.
    None if the record has changed since *before* was read, or, if a format changes, an upload has begun.
    """
    values = {name: value for name in SETTABLE if (value := getattr(after, name)) != getattr(before, name)}
    if before.tags != after.tags:
        values["tags"] = list(after.tags)
    if before.properties != after.properties:
        values["properties"] = dict(after.properties)
    values |= {"version": before.version + 1, "updated_at": after.updated_at}
    keys = {"image_id": before.id, "version_before": before.version, "status_before": before.status}
    rows = _saving(frozenset(values)).run(connection, values | keys)
    if not rows:
        return None
    if before.owner != after.owner:
        _hand_over(connection, before, after.owner)
    if (before.tags, _indexed(before)) != (after.tags, _indexed(after)):
        for name in ("image_tags", "image_properties"):
            FORGET[name].run(connection, {"forgotten_id": before.id})
        index(connection, after)
    return image_of(rows[0])


def set_properties(connection: Connection, image_id: ImageId, properties: Mapping[str, str]) -> None:
    """Add or replace *properties*. The transaction must already hold the image's row, with a format that may be new."""
    image = find(connection, image_id)
    if image is None:
        return
    merged = {**image.properties, **properties}
    connection.execute(update(images).where(images.c.id == image_id).values(properties=merged))
    of_format = indexed(image)
    connection.execute(
        delete(image_properties).where(
            image_properties.c.image_id == image_id,
            image_properties.c.name.in_({*properties, *of_format}),
        )
    )
    _index_properties(connection, image, {**properties, **of_format})


def _hand_over(connection: Connection, image: Image, owner: ProjectId | None) -> None:
    """Move an image, its placements and its running upload to the quota of its new *owner*."""
    its_own = placements.c.image_id == image.id
    # Locked: a sweep may delete one of them at this moment, and release what it reserved.
    reserved = sum(connection.execute(select(placements.c.reserved).where(its_own).with_for_update()).scalars())
    connection.execute(update(placements).where(its_own).values(owner=owner))
    running = connection.execute(select(func.count()).where(uploads.c.image_id == image.id)).scalar_one()
    changes = [
        (scope_of_project(image.owner), Usage(-reserved, -1, -running)),
        (scope_of_project(owner), Usage(reserved, 1, running)),
    ]
    for scope, by in sorted(
        changes, key=lambda change: change[0]
    ):  # so that two transfers in opposite directions do not deadlock
        usage.change(connection, scope, by)


def index(connection: Connection, image: Image) -> None:
    """Add what lists find a new image by."""
    _add_entries(connection, image_tags, image, [{"tag": tag} for tag in image.tags])
    _index_properties(connection, image, _indexed(image))


def _index_properties(connection: Connection, image: Image, properties: Mapping[str, str]) -> None:
    entries = [{"name": name, "value": indexed_value(value)} for name, value in properties.items()]
    _add_entries(connection, image_properties, image, entries)


def _add_entries(connection: Connection, table: Table, image: Image, entries: Sequence[Mapping[str, str]]) -> None:
    for start in range(0, len(entries), ENTRIES):
        some = entries[start : start + ENTRIES]
        keys: dict[str, Any] = {"image_id": image.id, "created_at": image.created_at}
        for n, entry in enumerate(some):
            keys |= {f"{name}_{n}": value for name, value in entry.items()}
        _adding(table, len(some)).run(connection, keys)


def _indexed(image: Image) -> Mapping[str, str]:
    """Return what lists can be filtered by: the properties, and what follows from them."""
    return {**image.properties, **indexed(image)}


def image_of(row: Sequence[Any]) -> Image:
    """Return the image in *row*, which begins with `COLUMNS`. By position: a list makes thousands of these a second."""
    values = list(row[:WIDTH])
    values[STATUS] = STATUSES[values[STATUS]]
    values[VISIBILITY] = VISIBILITIES[values[VISIBILITY]]
    values[TAGS] = tuple(values[TAGS])
    image: Any = Unfrozen(*values)
    image.__class__ = Image
    made: Image = image
    return made


def _keys(image_id: str, project_id: ProjectId) -> Keys:
    return {"image_id": image_id, "project_id": project_id}


def _seen(rows: Rows) -> Seen | None:
    return Seen(image_of(rows[0]), bool(rows[0].is_member)) if rows else None


FIND_SEEN = select(
    *COLUMNS,
    select(image_members.c.image_id)
    .where(image_members.c.image_id == images.c.id, image_members.c.member_id == bindparam("project_id"))
    .exists()
    .label("is_member"),
).where(images.c.id == bindparam("image_id"), images.c.deleted_at.is_(None))
find_seen = Lookup(FIND_SEEN, _keys, _seen)
"""Returns the image as a principal of the project sees it; None if there is none."""
