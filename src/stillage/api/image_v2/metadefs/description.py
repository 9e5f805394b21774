"""What OpenAPI says of metadata definitions, in addition to what the router knows."""

from collections.abc import Mapping

from stillage.api.description import COUNT, JSON, READS, TEXT, WRITES, Details, ref
from stillage.api.image_v2.metadefs import documents
from stillage.api.image_v2.metadefs.routes import (
    ASSOCIATION,
    ASSOCIATIONS,
    NAMESPACE,
    NAMESPACES,
    OBJECT,
    OBJECTS,
    PROPERTIES,
    PROPERTY,
    RESOURCE_TYPES,
    TAG,
    TAGS,
)
from stillage.audit.events import SERVICE, Action
from stillage.images.metadefs.definitions import NamespaceVisibility

PAGE = {"limit": COUNT, "marker": TEXT, "sort_dir": {"enum": ["asc", "desc"]}}
OF_DEFINITIONS = PAGE | {"sort_key": {"enum": ["name", "created_at", "updated_at"]}}
OF_NAMESPACES = PAGE | {
    "sort_key": {"enum": ["namespace", "created_at", "updated_at"]},
    "visibility": {"enum": list(NamespaceVisibility)},
    "resource_types": {**TEXT, "description": "with commas between; any of them"},
}
FOR_TYPE = {"resource_type": {**TEXT, "description": "names of properties are as this resource type has them"}}
APPEND = {"X-Openstack-Append": {**TEXT, "description": "True keeps the tags that are there"}}
GONE = Details({204: None}, READS)


def _body(name: str) -> Mapping[str, object]:
    return {JSON: ref(name)}


DETAILS: Mapping[str, Details] = {
    f"POST {NAMESPACES}": Details({201: "Namespace"}, WRITES, body=_body("NewNamespace")),
    f"GET {NAMESPACES}": Details({200: "Namespaces"}, READS, query=OF_NAMESPACES),
    f"GET {NAMESPACE}": Details({200: "Namespace"}, READS, query=FOR_TYPE),
    f"PUT {NAMESPACE}": Details({200: "Namespace"}, WRITES, body=_body("NamespaceAttributes")),
    f"DELETE {NAMESPACE}": GONE,
    f"POST {OBJECTS}": Details({201: "Object"}, WRITES, body=_body("NewObject")),
    f"GET {OBJECTS}": Details({200: "Objects"}, READS, query=OF_DEFINITIONS),
    f"DELETE {OBJECTS}": GONE,
    f"GET {OBJECT}": Details({200: "Object"}, READS),
    f"PUT {OBJECT}": Details({200: "Object"}, WRITES, body=_body("NewObject")),
    f"DELETE {OBJECT}": GONE,
    f"POST {PROPERTIES}": Details({201: "NamedProperty"}, WRITES, body=_body("NamedProperty")),
    f"GET {PROPERTIES}": Details({200: "Properties"}, READS),
    f"DELETE {PROPERTIES}": GONE,
    f"GET {PROPERTY}": Details({200: "NamedProperty"}, READS, query=FOR_TYPE),
    f"PUT {PROPERTY}": Details({200: "NamedProperty"}, WRITES, body=_body("NamedProperty")),
    f"DELETE {PROPERTY}": GONE,
    f"POST {TAGS}": Details({201: "Tags"}, WRITES, headers=APPEND, body=_body("Tags")),
    f"GET {TAGS}": Details({200: "Tags"}, READS, query=OF_DEFINITIONS),
    f"DELETE {TAGS}": GONE,
    f"POST {TAG}": Details({201: "Tag"}, WRITES),
    f"GET {TAG}": Details({200: "Tag"}, READS),
    f"PUT {TAG}": Details({200: "Tag"}, WRITES, body=_body("TagName")),
    f"DELETE {TAG}": GONE,
    f"POST {ASSOCIATIONS}": Details({201: "Association"}, WRITES, body=_body("NewAssociation")),
    f"GET {ASSOCIATIONS}": Details({200: "Associations"}, READS),
    f"DELETE {ASSOCIATION}": GONE,
    f"GET {RESOURCE_TYPES}": Details({200: "ResourceTypes"}, READS),
}

DOCUMENTS = (
    documents.Namespaces,
    documents.NewNamespace,
    documents.NamespaceAttributes,
    documents.Objects,
    documents.NewObject,
    documents.Properties,
    documents.NamedProperty,
    documents.Tags,
    documents.Tag,
    documents.Associations,
    documents.NewAssociation,
    documents.ResourceTypes,
)

TYPE = f"{SERVICE}/metadefs/namespace"
WORDS = {
    NAMESPACES: "",
    NAMESPACE: "",
    OBJECTS: "/object",
    OBJECT: "/object",
    PROPERTIES: "/property",
    PROPERTY: "/property",
    TAGS: "/tag",
    TAG: "/tag",
    ASSOCIATIONS: "/resource_type",
    ASSOCIATION: "/resource_type",
}
ACTIONS = {"POST": "create", "PUT": "update", "DELETE": "delete"}
CHANGES: Mapping[str, Action] = {
    route: Action(f"{ACTIONS[method]}{WORDS[path]}", TYPE)
    for route, method, path in ((route, *route.split()) for route in DETAILS)
    if method in ACTIONS
}
