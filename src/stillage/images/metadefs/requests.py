"""Read metadata definitions from the JSON that clients send: each member is checked, none is added.

Source: OpenStack Image API v2, "Metadata definitions" and its schemas; limits as Glance's.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from stillage.errors import Forbidden, InvalidInput
from stillage.ids import ProjectId
from stillage.images.metadefs.definitions import MAX_NAME, Definition, Kind, Namespace, NamespaceVisibility
from stillage.images.values import boolean, count, kind_of, one_of, text

Check = Callable[[str, Any], Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
MAX_DESCRIPTION = 500
MAX_LONG_TEXT = 64 << 10
READ_ONLY = frozenset({"self", "schema", "created_at", "updated_at"})


def namespace_of(document: Mapping[str, Any], owner: ProjectId | None, now: datetime) -> Namespace:
    """Return the namespace that *document* describes. What it leaves out has its default.

    Args:
        document: The request's JSON object. What it says of objects and so on is checked by `contents_of`.
        owner: Used if *document* names none.
        now: Becomes ``created_at`` and ``updated_at``.

    Raises:
        InvalidInput: If a value is invalid, or ``namespace`` is missing.
        Forbidden: If clients may not set a member.
    """
    given = _checked("namespace", document, {**NAMESPACE, **PARTS}, required=("namespace",))
    return Namespace(
        given["namespace"],
        given.get("owner", owner),
        now,
        now,
        display_name=given.get("display_name"),
        description=given.get("description"),
        visibility=NamespaceVisibility(given.get("visibility", NamespaceVisibility.PRIVATE)),
        protected=given.get("protected", False),
    )


def contents_of(document: Mapping[str, Any], now: datetime) -> list[Definition]:
    """Return what is in the namespace that *document* describes.

    Raises:
        InvalidInput: As `definition_of`, and if a name is there twice.
        Forbidden: As `definition_of`.
    """
    properties = _mapping("properties", document.get("properties", {}))
    documents = {
        Kind.OBJECT: document.get("objects", []),
        Kind.PROPERTY: [{**_mapping("a property", each), "name": name} for name, each in properties.items()],
        Kind.TAG: document.get("tags", []),
        Kind.RESOURCE_TYPE: document.get("resource_type_associations", []),
    }
    return [each for kind, listed in documents.items() for each in definitions_of(kind, listed, now)]


def definitions_of(kind: Kind, documents: Any, now: datetime) -> list[Definition]:
    """Return the definitions in a list of documents; InvalidInput also if a name is there twice."""
    made: dict[str, Definition] = {}
    for document in _list(f"the list of each {kind}", documents):
        definition = definition_of(kind, document, now)
        if definition.name in made:
            raise InvalidInput(f"the {kind} {definition.name!r} is there twice")
        made[definition.name] = definition
    return list(made.values())


def definition_of(kind: Kind, document: Any, now: datetime) -> Definition:
    """Return the definition that *document* describes, with its name.

    Raises:
        InvalidInput: If a value is invalid, a member is unknown or a required one is missing.
        Forbidden: If clients may not set a member.
    """
    checks, required = MEMBERS[kind]
    given = _checked(str(kind), document, {"name": name_of, **checks}, required=("name", *required))
    return Definition(kind, given.pop("name"), given, now, now)


def name_of(what: str, value: Any) -> str:
    """Return *value* if it can be the name of a namespace or of something in it."""
    name = text(what, value, limit=MAX_NAME)
    if not name or "/" in name:
        raise InvalidInput(f"{what} {name!r} must not be empty or have a slash, because it is part of a URL")
    return name


def _checked(what: str, document: Any, checks: Mapping[str, Check], *, required: Sequence[str] = ()) -> dict[str, Any]:
    """Return the members of *document*, each checked."""
    for name in (given := _mapping(f"the {what}", document)):
        if name in READ_ONLY:
            raise Forbidden(f"attribute {name!r} is read-only; leave it out")
        if name not in checks:
            raise InvalidInput(f"unknown member {name[:MAX_NAME]!r} of the {what}; use {', '.join(checks)}")
    for name in required:
        if name not in given:
            raise InvalidInput(f"the {what} needs the member {name!r}")
    return {name: checks[name](f"{name!r} of the {what}", value) for name, value in given.items()}


def _mapping(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} must be an object, not {kind_of(value)}")
    return value


def _list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"{what} must be a list, not {kind_of(value)}")
    return value


def _project(what: str, value: Any) -> ProjectId:
    return ProjectId(text(what, value))


def _short(what: str, value: Any) -> str:
    return text(what, value, limit=MAX_NAME)


def _description(what: str, value: Any) -> str:
    return text(what, value, limit=MAX_DESCRIPTION)


def _long(what: str, value: Any) -> str:
    return text(what, value, limit=MAX_LONG_TEXT)


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{what} must be a number, not {kind_of(value)}")
    return value


def _strings(what: str, value: Any) -> list[str]:
    return [_long(f"an item of {what}", each) for each in _list(what, value)]


def _unique_strings(what: str, value: Any) -> list[str]:
    listed = _strings(what, value)
    if len(set(listed)) < len(listed):
        raise InvalidInput(f"{what} must not name anything twice")
    return listed


def _anything(_what: str, value: Any) -> Any:
    return value


def _items(_what: str, value: Any) -> dict[str, Any]:
    return _checked("items", value, {"type": one_of(*TYPES), "enum": _list}, required=("type",))


def _properties(what: str, value: Any) -> dict[str, Any]:
    """Check the properties of an object, whose names are the keys."""
    return {
        name_of(f"the name of a property in {what}", name): _checked(
            f"property {name!r}", each, {"name": name_of, **PROPERTY}, required=REQUIRED_OF_PROPERTY
        )
        for name, each in _mapping(what, value).items()
    }


NAMESPACE: Mapping[str, Check] = {
    "namespace": name_of,
    "display_name": _short,
    "description": _description,
    "visibility": one_of(*NamespaceVisibility),
    "protected": boolean,
    "owner": _project,
}
PARTS: Mapping[str, Check] = {
    "objects": _list,
    "properties": _mapping,
    "tags": _list,
    "resource_type_associations": _list,
}
PROPERTY: Mapping[str, Check] = {
    "title": _long,
    "description": _long,
    "type": one_of(*TYPES),
    "operators": _strings,
    "required": _unique_strings,
    "minimum": _number,
    "maximum": _number,
    "minLength": count,
    "maxLength": count,
    "pattern": _long,
    "enum": _list,
    "readonly": boolean,
    "confidential": boolean,
    "default": _anything,
    "items": _items,
    "minItems": count,
    "maxItems": count,
    "uniqueItems": boolean,
    "additionalItems": boolean,
}
REQUIRED_OF_PROPERTY = ("title", "type")
MEMBERS: Mapping[Kind, tuple[Mapping[str, Check], tuple[str, ...]]] = {
    Kind.OBJECT: ({"description": _long, "required": _unique_strings, "properties": _properties}, ()),
    Kind.PROPERTY: (PROPERTY, REQUIRED_OF_PROPERTY),
    Kind.TAG: ({}, ()),
    Kind.RESOURCE_TYPE: ({"prefix": _short, "properties_target": _short}, ()),
}
"""What a client may send of each kind beside the name, and what it must."""
