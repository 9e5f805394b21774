"""Creates an image from what the client sent.

Source: OpenStack Image API v2, "Create image" and the image schema; limits as Glance's defaults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stillage.errors import Forbidden, InvalidInput, RecordTooLarge, TooMany
from stillage.ids import UUID, ImageId, ProjectId, image_id_of
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Image, Visibility
from stillage.images.values import boolean, count, kind_of, one_of, or_null, text

MAX_TAGS = 128
MAX_PROPERTIES = 128
MAX_VALUE = 64 * 1024
MAX_RECORD_BYTES = 128 * 1024

READ_ONLY = frozenset({
    "status", "checksum", "size", "virtual_size", "created_at", "updated_at", "self", "file", "schema", "direct_url",
    "locations", "stores", "os_stillage_reason", "os_stillage_damage",
})  # fmt: skip
RESERVED = frozenset({"location", "deleted", "deleted_at"})
RESERVED_PREFIXES = ("os_glance", "os_stillage_automatic:")
# Glance accepts these at creation and ignores them.
IGNORED = frozenset({"os_hash_algo", "os_hash_value"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """Default attributes of a new image, which differ between the profiles."""

    visibility: Visibility = Visibility.SHARED
    container_format: str | None = None
    disk_format: str | None = None


def new_image(
    document: Mapping[str, Any], owner: ProjectId, *, defaults: Defaults, new_id: ImageId, now: datetime
) -> Image:
    """Return a queued image. `access` decides whether the principal may create it.

    Args:
        document: The request's JSON object.
        owner: Used if *document* names none.
        defaults: For what *document* leaves out.
        new_id: Used if *document* has no ``id``.
        now: Becomes ``created_at``.

    Raises:
        InvalidInput: If a value is invalid.
        Forbidden: If clients may not set an attribute.
        TooLarge: If there are too many tags or properties.
    """
    base: dict[str, Any] = {
        "visibility": defaults.visibility,
        "container_format": defaults.container_format,
        "disk_format": defaults.disk_format,
        "owner": owner,
        "id": new_id,
    }
    properties = {}
    # Before reading any: a body has room for many.
    others = sum(name in document for name in (*BASE, *IGNORED))
    require_count("properties", len(document) - others, MAX_PROPERTIES)
    for name, value in document.items():
        require_settable(name)
        if name in IGNORED:
            continue
        if name in BASE:
            base[name] = BASE[name](name, value)
        else:
            properties[property_name(name)] = property_value(name, value)
    return Image(**base, properties=properties, created_at=now, updated_at=now)


def require_settable(name: str) -> None:
    if name in READ_ONLY:
        raise Forbidden(f"attribute {name!r} is read-only; leave it out")
    if name in RESERVED or name.startswith(RESERVED_PREFIXES):
        raise Forbidden(f"attribute {name!r} is reserved; choose another name")


def require_count(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise TooMany(what, limit, count)


def require_record(image: Image, limit: int, *, before: Image | None = None) -> None:
    """Raise RecordTooLarge if the texts of *image* have more than *limit* bytes, unless they had as many *before*."""
    size = record_bytes(image)
    if size > limit and (before is None or size > record_bytes(before)):
        raise RecordTooLarge(limit, size)


def record_bytes(image: Image) -> int:
    """Return the size of all free text in a record: its name, tags and property values, in bytes.

    Property names do not count, since their number and length are limited already.
    """
    return sum(len(text.encode()) for text in (image.name or "", *image.tags, *image.properties.values()))


def property_name(name: str) -> str:
    text("property name", name)
    if not name:
        raise InvalidInput("a property needs a name")
    return name


def property_value(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"property {name!r} must be a string, not {kind_of(value)}; put it in quotes")
    return text(f"property {name!r}", value, limit=MAX_VALUE)


def _id(_what: str, value: Any) -> ImageId:
    if not isinstance(value, str) or not UUID.fullmatch(value):
        raise InvalidInput("id must be a UUID such as 0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11")
    return image_id_of(value)


def _visibility(what: str, value: Any) -> Visibility:
    return Visibility(one_of(*Visibility)(what, value))


def _tags(_what: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InvalidInput(f"tags must be a list of strings, not {kind_of(value)}")
    require_count("tags", len(value), MAX_TAGS)  # before reading any: a body has room for many
    return tuple(dict.fromkeys(text("a tag", tag) for tag in value))


def _project(what: str, value: Any) -> ProjectId:
    return ProjectId(text(what, value))


BASE: Mapping[str, Callable[[str, Any], Any]] = {
    "id": _id,
    "name": or_null(text),
    "visibility": _visibility,
    "protected": boolean,
    "os_hidden": boolean,
    "owner": or_null(_project),
    "container_format": or_null(one_of(*CONTAINER_FORMATS)),
    "disk_format": or_null(one_of(*DISK_FORMATS)),
    "min_disk": count,
    "min_ram": count,
    "tags": _tags,
}
