"""A namespace of metadata definitions, and what is in it: objects, properties, tags and associations of resource types.

They describe; nothing here changes what an image may have. Source: OpenStack Image API v2, "Metadata definitions".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from stillage.errors import NotFound
from stillage.ids import ProjectId

MAX_NAME = 80
MAX_NAMESPACES = 1000
MAX_DEFINITIONS = 1000
"""Of one kind, in one namespace."""
MAX_ASSOCIATIONS = 64
MAX_NAMESPACE_BYTES = 1 << 20
"""Of the JSON of all definitions in a namespace, which one answer shows."""

RESOURCE_TYPES = (
    "OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Aggregate", "OS::Nova::Flavor", "OS::Nova::Server",
    "OS::Trove::Instance",
)  # fmt: skip
"""Types that are listed before anything is associated with them: those that Glance's own definitions name."""


class Kind(StrEnum):
    """What a definition is. The value is the word for it in messages."""

    OBJECT = "object"
    PROPERTY = "property"
    TAG = "tag"
    RESOURCE_TYPE = "resource type"


class NamespaceVisibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace without what is in it.

    Attributes:
        name: Unique, whoever owns it.
        protected: Neither it nor anything in it can be deleted.
        owner: The project that sees it if it is private.
    """

    name: str
    owner: ProjectId | None
    created_at: datetime
    updated_at: datetime
    display_name: str | None = None
    description: str | None = None
    visibility: NamespaceVisibility = NamespaceVisibility.PRIVATE
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """Something in a namespace: an object, a property, a tag, or the association of a resource type.

    Attributes:
        name: Unique among its kind in the namespace.
        members: The JSON of it beside its name, as the client sent it.
    """

    kind: Kind
    name: str
    members: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """A namespace and all that is in it, each kind in the order of its names."""

    namespace: Namespace
    definitions: Sequence[Definition]

    def of(self, kind: Kind) -> list[Definition]:
        return [each for each in self.definitions if each.kind is kind]

    def prefix_of(self, resource_type: str) -> str:
        """Return what names of properties begin with where they are used for *resource_type*; empty for nothing."""
        found = next((each for each in self.of(Kind.RESOURCE_TYPE) if each.name == resource_type), None)
        return "" if found is None else str(found.members.get("prefix", ""))


def namespace_not_found(name: str) -> NotFound:
    return NotFound(f"no namespace {name[:MAX_NAME]!r} is visible to this project")


def definition_not_found(namespace: str, kind: Kind, name: str) -> NotFound:
    return NotFound(f"the namespace {namespace!r} has no {kind} {name[:MAX_NAME]!r}")
