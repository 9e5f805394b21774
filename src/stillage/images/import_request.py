"""Read a request to import an image: by which method, from where, to which stores. Pure.

Source: OpenStack Image API v2, "Import an image"; Glance, import of images and its answers to bad requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stillage.errors import ImportMethodUnknown, InvalidInput
from stillage.ids import UUID
from stillage.images.values import boolean, text

MAX_STORES = 64
MAX_URL = 2048


class Method(StrEnum):
    """How an image can be imported. Names of the API."""

    STAGED = "glance-direct"
    WEB = "web-download"
    COPY = "copy-image"
    REMOTE = "glance-download"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is to be imported.

    Attributes:
        url: Of the file; for `Method.WEB`.
        remote: Region, image id and interface of the other service; for `Method.REMOTE`.
        stores: None if the request names none.
        must_succeed: The import fails if it fails for one store.
        document: The request as it is shown later, without what we do not know.
    """

    method: Method
    url: str = ""
    remote: tuple[str, str, str] = ("", "", "")
    stores: tuple[str, ...] | None = None
    all_stores: bool = False
    must_succeed: bool = True
    document: Mapping[str, Any] = field(default_factory=dict)


def parse(document: Mapping[str, Any], enabled: Sequence[str]) -> ImportRequest:
    """Return what *document*, a JSON object, asks for. *enabled*: the methods of the deployment.

    Raises:
        ImportMethodUnknown: If the method is none of *enabled*.
        InvalidInput: If a member is missing, or of the wrong type.
    """
    given = document.get("method")
    if not isinstance(given, dict):
        raise InvalidInput("an import needs 'method', an object with a name")
    name = given.get("name")
    if not isinstance(name, str):
        raise InvalidInput("the method of an import needs 'name', a string")
    if name not in enabled:
        raise ImportMethodUnknown(name, enabled)
    method = Method(name)
    flags = {key: boolean(key, document[key]) for key in ("all_stores", "all_stores_must_succeed") if key in document}
    stores = _stores(document)
    if flags.get("all_stores") and stores is not None:
        raise InvalidInput("all_stores and stores exclude each other; use one of them")
    shown = {"name": name} | {key: given[key] for key in MEMBERS[method] if key in given}
    return ImportRequest(
        method,
        stores=stores,
        all_stores=flags.get("all_stores", False),
        must_succeed=flags.get("all_stores_must_succeed", True),
        document={"method": shown, **flags} | ({} if stores is None else {"stores": list(stores)}),
        **_source_of(method, given),
    )


def _source_of(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    if method is Method.WEB:
        return {"url": _text(given, "uri", limit=MAX_URL)}
    if method is not Method.REMOTE:
        return {}
    image_id = _text(given, "glance_image_id")
    if not UUID.fullmatch(image_id):
        # Clients look for these words.
        raise InvalidInput(f"glance_image_id {image_id[:64]!r}: remote image id does not look like a UUID")
    interface = _text(given, "glance_service_interface") if "glance_service_interface" in given else "public"
    return {"remote": (_text(given, "glance_region"), image_id.lower(), interface)}


MEMBERS: Mapping[Method, Sequence[str]] = {
    Method.STAGED: (),
    Method.WEB: ("uri",),
    Method.COPY: (),
    Method.REMOTE: ("glance_region", "glance_image_id", "glance_service_interface"),
}
"""What a method needs to be told."""


def _text(given: Mapping[str, Any], name: str, limit: int = 255) -> str:
    if name not in given:
        raise InvalidInput(f"the method of this import needs {name!r}")
    value = text(name, given[name], limit=limit)
    if not value:
        raise InvalidInput(f"{name!r} of the import's method must not be empty")
    return value


def _stores(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "stores" not in document:
        return None
    value = document["stores"]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_STORES:
        raise InvalidInput(f"stores must be a list of 1 to {MAX_STORES} names")
    return tuple(dict.fromkeys(text("a store", name) for name in value))
