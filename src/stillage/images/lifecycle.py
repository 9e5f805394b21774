"""Deprecates images and makes them obsolete: what the properties of an image say of its life, and when that changes.

All of it is in plain properties, which every client of the image API can set and show.

Source: the states of Compute Engine's images, and the deprecation of Amazon's, in the terms of Glance: an obsolete
image is `os_hidden` and deactivated.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from stillage import times
from stillage.errors import Conflict, Forbidden, InvalidInput
from stillage.images.image import Image

STAGE, REPLACED_BY = "lifecycle", "replaced_by"
DEPRECATE_AT, OBSOLETE_AT, DELETE_AT = "deprecate_at", "obsolete_at", "delete_at"
RULES: Mapping[str, str] = {DEPRECATE_AT: "deprecate", OBSOLETE_AT: "obsolete", DELETE_AT: "delete_image"}
"""Properties that say when something is done to an image, and the rule that lets a principal do it now."""
MARKS = (STAGE, REPLACED_BY, DEPRECATE_AT, OBSOLETE_AT)

# As text these are in the order of the moments that they are.
DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", re.ASCII)


class Stage(StrEnum):
    """Of an image that should be used no more."""

    DEPRECATED = "deprecated"
    OBSOLETE = "obsolete"


RETIRED = tuple((STAGE, str(stage)) for stage in Stage)
"""The properties of images that are never the latest of their family."""


def stage_of(image: Image) -> Stage | None:
    """Return the stage of *image*; None while it is in use. Other values of the property are its owner's business."""
    value = image.properties.get(STAGE)
    return Stage(value) if value in list(Stage) else None


def deprecated(image: Image, *, replaced_by: str | None, now: datetime) -> Image:
    """Return *image*, marked so that users choose another; it can be used as before.

    Raises:
        Forbidden: If it has no data.
        Conflict: If it is obsolete.
    """
    _require_data(image)
    if stage_of(image) is Stage.OBSOLETE:
        raise Conflict(f"image {image.id} is obsolete; reactivate it first")
    return _marked(image, Stage.DEPRECATED, {DEPRECATE_AT}, replaced_by, now)


def obsolete(image: Image, *, replaced_by: str | None, now: datetime) -> Image:
    """Return *image*, marked and hidden. It has to be deactivated as well.

    Raises:
        Forbidden: If it has no data.
    """
    _require_data(image)
    return replace(_marked(image, Stage.OBSOLETE, {DEPRECATE_AT, OBSOLETE_AT}, replaced_by, now), os_hidden=True)


def in_use_again(image: Image, *, now: datetime) -> Image:
    """Return *image* without marks and without dates for them; itself if it has none."""
    kept = {name: value for name, value in image.properties.items() if name not in MARKS}
    if stage_of(image) is None and not {DEPRECATE_AT, OBSOLETE_AT} & image.properties.keys():
        return image
    hidden = image.os_hidden and stage_of(image) is not Stage.OBSOLETE
    return _changed(image, kept, now, os_hidden=hidden)


def scheduled(image: Image, name: str, at: datetime, *, replaced_by: str | None, now: datetime) -> Image:
    """Return *image* with the property *name*: upkeep does at the moment *at* what it says.

    Raises:
        Forbidden: If it has no data.
    """
    _require_data(image)
    new = {name: times.to_seconds(at)} | ({} if replaced_by is None else {REPLACED_BY: replaced_by})
    return _changed(image, {**image.properties, **new}, now)


def moment(value: str) -> datetime | None:
    """Return the moment of a date in a property: a day begins at midnight UTC. None if it is not one."""
    try:
        return times.parse(value) if DATE.fullmatch(value) else None
    except ValueError:  # a 30th of February
        return None


def dates_set(image: Image, before: Image | None) -> Iterable[str]:
    """Return the properties among `RULES` that *image* has, and did not have *before* with the same value."""
    earlier = {} if before is None else before.properties
    return [name for name in RULES if image.properties.get(name) not in (None, earlier.get(name))]


def require_date(name: str, value: str, now: datetime) -> None:
    """Raise InvalidInput unless *value* is a date that the property *name* may be set to."""
    at = moment(value)
    if at is None:
        raise InvalidInput(
            f"property {name!r} must be a date such as 2027-06-30 or 2027-06-30T12:00:00Z, not {value[:32]!r}"
        )
    if name == DELETE_AT and at <= now:
        raise InvalidInput(f"property {name!r} must be in the future, not {value}; to delete the image now, delete it")


def successor_of(image: Image) -> str | None:
    """Return what to use in place of a retired image, as far as it says: an id, a name, or the latest of its family."""
    family = image.properties.get("family")
    return image.properties.get(REPLACED_BY) or (f"{family}:latest" if family else None)


def _require_data(image: Image) -> None:
    if not image.has_data:
        raise Forbidden(f"image {image.id} is {image.status}; only images with data can be deprecated or obsolete")


def _marked(image: Image, stage: Stage, done: set[str], replaced_by: str | None, now: datetime) -> Image:
    kept = {name: value for name, value in image.properties.items() if name not in done}
    new = {STAGE: str(stage)} | ({} if replaced_by is None else {REPLACED_BY: replaced_by})
    return _changed(image, {**kept, **new}, now)


def _changed(image: Image, properties: Mapping[str, str], now: datetime, *, os_hidden: bool | None = None) -> Image:
    hidden = image.os_hidden if os_hidden is None else os_hidden
    return replace(image, properties=properties, os_hidden=hidden, updated_at=now, version=image.version + 1)
