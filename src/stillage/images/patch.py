"""Applies JSON patches to an image, in the image API's two media types.

Source: OpenStack Image API v2, "Update image"; HTTP PATCH media types, "openstack-images-v2.1-json-patch" (a subset of
RFC 6902) and "…v2.0-json-patch" (the draft before it).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from stillage.errors import Conflict, Forbidden, InvalidInput, PropertyMissing
from stillage.images.creation import (
    BASE,
    MAX_PROPERTIES,
    property_name,
    property_value,
    require_count,
    require_settable,
)
from stillage.images.image import Image
from stillage.images.status import Status

V2_1 = "application/openstack-images-v2.1-json-patch"
V2_0 = "application/openstack-images-v2.0-json-patch"
MAX_OPERATIONS = 1000

Op = Literal["add", "replace", "remove"]
OPS: tuple[Op, ...] = ("add", "replace", "remove")
FORMATS = frozenset({"disk_format", "container_format"})
# An import demands both, so there must be a way to set them when the bytes are staged already.
BEFORE_VERIFICATION = frozenset({Status.QUEUED, Status.UPLOADING})


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a patch.

    Attributes:
        strict: ``add`` refuses an attribute that exists, as the older media type specifies.
    """

    op: Op
    name: str
    value: Any = None
    strict: bool = False


def parse(document: Any, media_type: str) -> list[Operation]:
    """Return the operations of a patch.

    Raises:
        InvalidInput: If *document* is not a patch of *media_type*.
        Forbidden: If it changes ``locations``, which clients may not set.
    """
    if not isinstance(document, list):
        raise InvalidInput("a patch must be a JSON array of operations")
    if len(document) > MAX_OPERATIONS:
        raise InvalidInput(f"too many operations: a patch may have {MAX_OPERATIONS}, this one has {len(document)}")
    step = _step_v2_1 if media_type == V2_1 else _step_v2_0
    return [step(item) for item in document]


def apply(image: Image, operations: list[Operation], *, now: datetime) -> Image:
    """Return *image* changed by all *operations* in order. If one fails, none is applied.

    Rights are not checked here; see `access`.

    Raises:
        InvalidInput: If a value is invalid.
        Conflict: If what is replaced or removed does not exist, or what is added strictly does.
        Forbidden: If clients may not set the attribute, or not in the image's status.
        TooLarge: If there are too many tags or properties.
    """
    if not operations:
        return image
    base: dict[str, Any] = {}
    properties = dict(image.properties)
    for operation in operations:
        name = operation.name
        if name == "id" or name.startswith("os_hash_"):
            raise Forbidden(f"attribute {name!r} is read-only; leave it out")
        require_settable(name)
        if name in BASE:
            base[name] = _base_value(image.status, operation)
        else:
            _change_property(properties, operation)
    require_count("properties", len(properties), MAX_PROPERTIES)
    return replace(image, **base, properties=properties, updated_at=now, version=image.version + 1)


def _base_value(status: Status, operation: Operation) -> Any:
    name = operation.name
    if operation.op == "remove":
        raise Forbidden(f"attribute {name!r} cannot be removed; replace its value")
    if operation.op == "add" and operation.strict:
        raise Conflict(f"attribute {name!r} already exists; use replace")
    if name in FORMATS and status not in BEFORE_VERIFICATION:
        raise Forbidden(
            f"{name} can only be changed while the image is queued, or its bytes are staged; it is {status}"
        )
    return BASE[name](name, operation.value)


def _change_property(properties: dict[str, str], operation: Operation) -> None:
    name = property_name(operation.name)
    exists = name in properties
    if operation.op != "add" and not exists:
        raise PropertyMissing(operation.op, name)
    if operation.op == "add" and operation.strict and exists:
        raise Conflict(f"property {name!r} already exists; use replace")
    if operation.op == "remove":
        del properties[name]
    else:
        properties[name] = property_value(name, operation.value)


def _step_v2_1(item: Any) -> Operation:
    if not isinstance(item, dict) or item.get("op") not in OPS:
        raise InvalidInput(f"each operation needs op, one of {', '.join(OPS)}")
    return _operation(item["op"], item.get("path"), item, strict=False)


def _step_v2_0(item: Any) -> Operation:
    named = [op for op in OPS if isinstance(item, dict) and op in item]
    if len(named) != 1:
        raise InvalidInput(f"each operation needs exactly one of the keys {', '.join(OPS)}")
    return _operation(named[0], item[named[0]], item, strict=True)


def _operation(op: Op, path: Any, item: Mapping[str, Any], *, strict: bool) -> Operation:
    name = _name_of(path)
    if op != "remove" and "value" not in item:
        raise InvalidInput(f"{op} of {name!r} needs a value")
    return Operation(op, name, item.get("value"), strict)


def _name_of(path: Any) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidInput("path must be a string that begins with /")
    first, *more = path[1:].split("/")
    name = _unescaped(first.strip(), path)
    if name == "locations":
        raise Forbidden("clients may not set locations; upload the data")
    if more or not name:
        raise InvalidInput(f"path {path[:300]!r} must name a single attribute; replace lists as a whole")
    return name


def _unescaped(segment: str, path: str) -> str:
    if "~" in segment.replace("~0", "").replace("~1", ""):
        raise InvalidInput(f"path {path[:300]!r} has a ~ that is not part of ~0 or ~1")
    return segment.replace("~1", "/").replace("~0", "~")
