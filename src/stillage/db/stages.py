"""Changes of a record that change the status of its image too, in one transaction; and dates that have come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, tuple_

from stillage.db import images as db
from stillage.db import lifecycle
from stillage.db.tables import image_properties
from stillage.ids import ImageId
from stillage.images.image import Image
from stillage.images.status import Status


def save_deactivated(connection: Connection, before: Image, after: Image) -> Image | None:
    """As `images.save`; the image is deactivated as well, if it is active."""
    return _save(connection, before, after, Status.ACTIVE, Status.DEACTIVATED)


def save_reactivated(connection: Connection, before: Image, after: Image) -> Image | None:
    """As `images.save`; the image is active again as well, if it was deactivated."""
    return _save(connection, before, after, Status.DEACTIVATED, Status.ACTIVE)


def _save(connection: Connection, before: Image, after: Image, move_from: Status, move_to: Status) -> Image | None:
    if db.save(connection, before, after) is None:
        return None
    lifecycle.move(connection, before.id, move_from, move_to, after.updated_at)
    return db.get(connection, before.id)


def apply(
    connection: Connection,
    image_id: ImageId,
    change: Callable[[Image], Image],
    save: Callable[[Connection, Image, Image], Image | None],
) -> Image | None:
    """Change an image as it is now; None if it is gone, changed already, or changed by another at this moment.

    Raises:
        StillageError: What *change* raises.
    """
    image = db.find(connection, image_id)
    if image is None:
        return None
    changed = change(image)
    return None if changed is image else save(connection, image, changed)


@dataclass(frozen=True, slots=True)
class Due:
    """An image that has a date in a property."""

    value: str
    image_id: ImageId


def due(connection: Connection, name: str, until: str, after: Due, limit: int) -> Sequence[Due]:
    """Return images whose property *name* is a text up to *until*, those behind *after*, in order."""
    dates = image_properties.c
    place = tuple_(dates.value, dates.image_id)
    query = select(dates.value, dates.image_id).where(
        dates.name == name, dates.value <= until, place > (after.value, after.image_id)
    )
    rows = connection.execute(query.order_by(dates.value, dates.image_id).limit(limit))
    return [Due(row.value, ImageId(row.image_id)) for row in rows]
