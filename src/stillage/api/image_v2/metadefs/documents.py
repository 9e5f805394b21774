"""The JSON of metadata definitions: every member of every document, stated once.

Limits are those that `images.metadefs.requests` enforces. Source: OpenStack Image API v2, "Metadata definitions".
"""

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from stillage.api.json_schemas import member
from stillage.images.metadefs.definitions import MAX_NAME, NamespaceVisibility
from stillage.images.metadefs.requests import MAX_DESCRIPTION, TYPES
from stillage.images.values import MAX_INTEGER, MAX_TEXT

READ_ONLY = {"readOnly": True}
NAME = {"maxLength": MAX_NAME}
Count = Annotated[int, member(minimum=0, maximum=MAX_INTEGER)]
Type = Annotated[str, member("Of its values", enum=list(TYPES))]
CreatedAt = Annotated[str, member("When it was made", **READ_ONLY)]
UpdatedAt = Annotated[str, member("When it was last changed", **READ_ONLY)]
Strings = Annotated[list[str], member(uniqueItems=True)]


class Times(TypedDict):
    """Since when something is here."""

    created_at: CreatedAt
    updated_at: UpdatedAt


class Items(TypedDict):
    """What is in the values of a property that are arrays."""

    type: Type
    enum: NotRequired[list[Any]]


Property = TypedDict(  # noqa: UP013 - a class must have Python's kind of names
    "Property",
    {
        "title": Annotated[str, member("What people call it")],
        "type": Type,
        "description": NotRequired[str],
        "operators": NotRequired[Annotated[list[str], member("With which a scheduler may compare it")]],
        "required": NotRequired[Strings],
        "minimum": NotRequired[float],
        "maximum": NotRequired[float],
        "minLength": NotRequired[Count],
        "maxLength": NotRequired[Count],
        "pattern": NotRequired[Annotated[str, member("A regular expression; nothing here evaluates it")]],
        "enum": NotRequired[list[Any]],
        "readonly": NotRequired[bool],
        "confidential": NotRequired[bool],
        "default": NotRequired[Any],
        "items": NotRequired[Items],
        "minItems": NotRequired[Count],
        "maxItems": NotRequired[Count],
        "uniqueItems": NotRequired[bool],
        "additionalItems": NotRequired[bool],
    },
)


class NamedProperty(Property):
    """A property by itself. Among others its name is the key."""

    name: Annotated[str, member("How it is written on an image", **NAME)]


class Properties(TypedDict):
    """The properties of a namespace by their names."""

    properties: dict[str, Property]


class NewObject(TypedDict):
    """An object as clients send it."""

    name: Annotated[str, member("Unique in the namespace", **NAME)]
    description: NotRequired[str]
    required: NotRequired[Annotated[list[str], member("Properties that it must have", uniqueItems=True)]]
    properties: NotRequired[dict[str, Property]]


class Object(NewObject, Times):
    """A group of properties that belong together."""

    self: Annotated[str, member("Path of the object", **READ_ONLY)]
    schema: Annotated[str, member("Path of its schema", **READ_ONLY)]


class Objects(TypedDict):
    """The objects of a namespace."""

    objects: list[Object]
    schema: str


class TagName(TypedDict):
    """A tag by its name alone."""

    name: Annotated[str, member("Unique in the namespace", **NAME)]


class Tag(TagName, Times):
    """A tag."""


class Tags(TypedDict):
    """Tags of a namespace."""

    tags: list[TagName]


class NewAssociation(TypedDict):
    """The association of a resource type as clients send it."""

    name: Annotated[str, member("A resource type, such as OS::Nova::Flavor", **NAME)]
    prefix: NotRequired[Annotated[str, member("What names of properties begin with there", **NAME)]]
    properties_target: NotRequired[Annotated[str, member("Which of its properties, if it has several kinds", **NAME)]]


class Association(NewAssociation, Times):
    """That the definitions of a namespace are for a resource type."""


class Associations(TypedDict):
    """The resource types that a namespace is for."""

    resource_type_associations: list[Association]


class ResourceType(TypedDict):
    """A resource type. It has times if a namespace is associated with it."""

    name: str
    created_at: NotRequired[CreatedAt]
    updated_at: NotRequired[UpdatedAt]


class ResourceTypes(TypedDict):
    """All resource types."""

    resource_types: list[ResourceType]


class NamespaceAttributes(TypedDict):
    """What a namespace says of itself."""

    namespace: Annotated[str, member("Unique name", **NAME)]
    display_name: NotRequired[Annotated[str, member("Name for people", **NAME)]]
    description: NotRequired[Annotated[str, member("What it is for", maxLength=MAX_DESCRIPTION)]]
    visibility: NotRequired[Annotated[str, member("Who may see it", enum=list(NamespaceVisibility))]]
    protected: NotRequired[Annotated[bool, member("If true, nothing of it can be deleted")]]
    owner: NotRequired[Annotated[str, member("Project that owns it", maxLength=MAX_TEXT)]]


class NewNamespace(NamespaceAttributes):
    """A namespace as clients send it, with everything that is to be in it."""

    properties: NotRequired[dict[str, Property]]
    objects: NotRequired[list[NewObject]]
    tags: NotRequired[list[TagName]]
    resource_type_associations: NotRequired[list[NewAssociation]]


class Namespace(NamespaceAttributes, Times):
    """A namespace. What it holds is there if there is any; in a list only its resource types."""

    self: Annotated[str, member("Path of the namespace", **READ_ONLY)]
    schema: Annotated[str, member("Path of its schema", **READ_ONLY)]
    properties: NotRequired[dict[str, Property]]
    objects: NotRequired[list[Object]]
    tags: NotRequired[list[TagName]]
    resource_type_associations: NotRequired[list[Association]]


class Namespaces(TypedDict):
    """A page of namespaces, with the path of the first page and, if there may be more, of the next."""

    namespaces: list[Namespace]
    first: str
    next: NotRequired[str]
    schema: str
