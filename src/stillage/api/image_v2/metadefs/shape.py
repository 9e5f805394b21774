"""Metadata definitions as JSON: members that are unset are left out, as in Glance."""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from stillage.api.image_v2.metadefs import documents
from stillage.api.paging import first_page, next_page
from stillage.images.metadefs.definitions import Contents, Definition, Kind, Namespace
from stillage.times import to_seconds

NAMESPACES = "/v2/metadefs/namespaces"
SCHEMAS = "/v2/schemas/metadefs"


def namespace_view(namespace: Namespace) -> documents.Namespace:
    """A namespace without what is in it."""
    document: documents.Namespace = {
        "namespace": namespace.name,
        "visibility": namespace.visibility,
        "protected": namespace.protected,
        "created_at": to_seconds(namespace.created_at),
        "updated_at": to_seconds(namespace.updated_at),
        "self": path_of(namespace.name),
        "schema": f"{SCHEMAS}/namespace",
    }
    if namespace.owner is not None:
        document["owner"] = namespace.owner
    if namespace.display_name is not None:
        document["display_name"] = namespace.display_name
    if namespace.description is not None:
        document["description"] = namespace.description
    return document


def contents_view(contents: Contents, *, resource_type: str | None = None) -> documents.Namespace:
    """A namespace with what is in it.

    *resource_type*: names of properties are as this type has them, with the prefix of its association.
    """
    prefix = "" if resource_type is None else contents.prefix_of(resource_type)
    document = namespace_view(contents.namespace)
    if properties := contents.of(Kind.PROPERTY):
        document["properties"] = {f"{prefix}{each.name}": property_view(each) for each in properties}
    if objects := contents.of(Kind.OBJECT):
        document["objects"] = [object_view(contents.namespace.name, each, prefix=prefix) for each in objects]
    if tags := contents.of(Kind.TAG):
        document["tags"] = [{"name": each.name} for each in tags]
    if types := contents.of(Kind.RESOURCE_TYPE):
        document["resource_type_associations"] = [association_view(each) for each in types]
    return document


def namespaces_view(
    namespaces: Sequence[Contents], *, limit: int | None, query: Sequence[tuple[str, str]]
) -> documents.Namespaces:
    """A page of namespaces, with links. *query*: of the request."""
    first = first_page(NAMESPACES, query)
    document: documents.Namespaces = {
        "namespaces": [contents_view(each) for each in namespaces],
        "first": first,
        "schema": f"{SCHEMAS}/namespaces",
    }
    if namespaces and len(namespaces) == limit:
        document["next"] = next_page(first, namespaces[-1].namespace.name)
    return document


def object_view(namespace: str, definition: Definition, *, prefix: str = "") -> documents.Object:
    members = dict(definition.members)
    if prefix:
        members["properties"] = {f"{prefix}{name}": each for name, each in members.get("properties", {}).items()}
        members["required"] = [f"{prefix}{name}" for name in members.get("required", [])]
    path = f"{path_of(namespace)}/objects/{quote(definition.name)}"
    return cast(
        "documents.Object",
        {
            "name": definition.name,
            **members,
            **_times(definition),
            "self": path,
            "schema": f"{SCHEMAS}/object",
        },
    )


def property_view(definition: Definition) -> documents.Property:
    return cast("documents.Property", definition.members)


def named_property_view(definition: Definition) -> documents.NamedProperty:
    return cast("documents.NamedProperty", {"name": definition.name, **definition.members})


def tag_view(definition: Definition) -> documents.Tag:
    return {"name": definition.name, **_times(definition)}


def association_view(definition: Definition) -> documents.Association:
    return cast("documents.Association", {"name": definition.name, **definition.members, **_times(definition)})


def resource_type_view(name: str, used: tuple[Any, Any] | None) -> documents.ResourceType:
    """*used*: since when namespaces are associated with it, and when that was last changed; None if none is."""
    if used is None:
        return {"name": name}
    return {"name": name, "created_at": to_seconds(used[0]), "updated_at": to_seconds(used[1])}


def path_of(namespace: str) -> str:
    return f"{NAMESPACES}/{quote(namespace)}"


def _times(definition: Definition) -> documents.Times:
    return {"created_at": to_seconds(definition.created_at), "updated_at": to_seconds(definition.updated_at)}
