"""Read a request to import an image: by which method, from where, to which stores. Pure.

Source: OpenStack Image API v2, "Import an image"; Glance, import of images and its answers to bad requests.
"""

import re
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
    OBJECT = "object"  # not of an import: Huawei-style clients register a file of a bucket
    LOCATION = "add-location"  # not of an import: `POST /v2/images/{image_id}/locations` asks for it


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is to be imported.

    Attributes:
        url: Of the file; for `Method.WEB` and `Method.LOCATION`. ``BUCKET:OBJECT`` for `Method.OBJECT`.
        digest: Algorithm and hexadecimal digest that the bytes must have; None if nobody said.
        remote: Region, image id and interface of the other service; for `Method.REMOTE`.
        stores: None if the request names none.
        must_succeed: The import fails if it fails for one store.
        document: The request as it is shown later, without what we do not know.
    """

    method: Method
    url: str = ""
    digest: tuple[str, str] | None = None
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
    Method.OBJECT: (),
    Method.LOCATION: (),
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


def object_request(name: str) -> ImportRequest:
    """Return the request to import an object of a bucket. *name*: ``BUCKET:OBJECT``, checked."""
    return ImportRequest(Method.OBJECT, url=name, document={"method": {"name": Method.OBJECT, "uri": name}})


def location_request(document: Mapping[str, Any]) -> ImportRequest:
    """Return what *document*, a new location of an image, asks for. Source: OpenStack Image API v2, "Add location".

    Raises:
        InvalidInput: If a member is missing, unknown, or of the wrong type.
    """
    if unknown := sorted(document.keys() - {"url", "validation_data"}):
        raise InvalidInput(f"unknown member {unknown[0][:64]!r} of a location; use url and validation_data")
    if "url" not in document:
        raise InvalidInput("a location needs 'url'")
    url = text("url", document["url"], limit=MAX_URL)
    digest = _digest_of(document.get("validation_data", {}))
    return ImportRequest(
        Method.LOCATION, url=url, digest=digest, document={"method": {"name": Method.LOCATION, "uri": url}}
    )


HEX = re.compile(r"[0-9a-fA-F]+")
DIGEST_LENGTHS: Mapping[str, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
DIGEST_MEMBERS = frozenset({"os_hash_algo", "os_hash_value"})


def _digest_of(given: Any) -> tuple[str, str] | None:
    if not isinstance(given, dict):
        raise InvalidInput("validation_data must be an object with os_hash_algo and os_hash_value")
    if not given:
        return None
    if given.keys() != DIGEST_MEMBERS:
        raise InvalidInput("validation_data needs os_hash_algo and os_hash_value, and nothing else")
    algorithm, value = (text(name, given[name]) for name in ("os_hash_algo", "os_hash_value"))
    if algorithm not in DIGEST_LENGTHS:
        raise InvalidInput(f"os_hash_algo must be one of {', '.join(DIGEST_LENGTHS)}, not {algorithm[:64]!r}")
    if len(value) != DIGEST_LENGTHS[algorithm] or not HEX.fullmatch(value):
        raise InvalidInput(f"os_hash_value of {algorithm} must have {DIGEST_LENGTHS[algorithm]} hexadecimal digits")
    return algorithm, value.lower()
