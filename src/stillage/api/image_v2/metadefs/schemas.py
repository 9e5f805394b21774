"""JSON schemas of metadata definitions, by which glanceclient reads what to send.

Source: OpenStack Image API v2, "Metadata definition schemas". Nested schemas are ``definitions``, as in JSON Schema 4.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from stillage.api.image_v2.metadefs import documents
from stillage.api.json_schemas import Schema, resolvable

LINKS = [
    {"rel": "first", "href": "{first}"},
    {"rel": "next", "href": "{next}"},
    {"rel": "describedby", "href": "{schema}"},
]
LINKED: Mapping[str, Schema] = {name: {"type": "string"} for name in ("first", "next", "schema")}


@cache
def schemas() -> Mapping[str, Schema]:
    """Return the schemas by their names. The first call takes milliseconds."""
    one = {
        "namespace": _schema("namespace", documents.Namespace, ("namespace",)),
        "object": _schema("object", documents.Object, ("name",)),
        "property": _schema("property", documents.NamedProperty, ("name", "title", "type")),
        "resource_type": _schema("resource_type_association", documents.Association, ("name",)),
        "tag": _schema("tag", documents.Tag, ("name",)),
    }
    many = {
        "namespaces": _collection("namespaces", one["namespace"]),
        "objects": _collection("objects", one["object"]),
        "properties": _collection("properties", {**one["property"], "required": ["title", "type"]}, by_name=True),
        "resource_types": _collection("resource_type_associations", one["resource_type"]),
        "tags": _collection("tags", one["tag"]),
    }
    return one | many


def _schema(name: str, document: type, required: tuple[str, ...]) -> Schema:
    """*required*: what a client must send; a document that the server makes has more."""
    members, definitions = resolvable(document)
    schema: dict[str, Any] = {"name": name, "properties": members, "additionalProperties": False}
    return schema | {"required": list(required)} | ({"definitions": definitions} if definitions else {})


def _collection(name: str, item: Schema, *, by_name: bool = False) -> Schema:
    """*by_name*: the collection is an object, whose keys are the names."""
    inner = {key: value for key, value in item.items() if key != "definitions"}
    shape = {"type": "object", "additionalProperties": inner} if by_name else {"type": "array", "items": inner}
    schema: dict[str, Any] = {"name": name, "properties": {name: shape, **LINKED}, "links": LINKS}
    return schema | ({"definitions": item["definitions"]} if "definitions" in item else {})
