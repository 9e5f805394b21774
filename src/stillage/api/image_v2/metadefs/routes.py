"""The routes of metadata definitions, and their handlers."""

from aiohttp import web

from stillage.api.image_v2.metadefs import definitions, namespaces

NAMESPACES = "/v2/metadefs/namespaces"
NAMESPACE = NAMESPACES + "/{namespace}"
OBJECTS, OBJECT = NAMESPACE + "/objects", NAMESPACE + "/objects/{name}"
PROPERTIES, PROPERTY = NAMESPACE + "/properties", NAMESPACE + "/properties/{name}"
TAGS, TAG = NAMESPACE + "/tags", NAMESPACE + "/tags/{name}"
ASSOCIATIONS, ASSOCIATION = NAMESPACE + "/resource_types", NAMESPACE + "/resource_types/{name}"
RESOURCE_TYPES = "/v2/metadefs/resource_types"


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post(NAMESPACES, namespaces.create)
    router.add_get(NAMESPACES, namespaces.list_namespaces, allow_head=False)
    router.add_get(NAMESPACE, namespaces.show, allow_head=False)
    router.add_put(NAMESPACE, namespaces.update)
    router.add_delete(NAMESPACE, namespaces.delete)
    router.add_post(OBJECTS, definitions.add_object)
    router.add_get(OBJECTS, definitions.list_objects, allow_head=False)
    router.add_delete(OBJECTS, definitions.remove_objects)
    router.add_get(OBJECT, definitions.show_object, allow_head=False)
    router.add_put(OBJECT, definitions.replace_object)
    router.add_delete(OBJECT, definitions.remove_object)
    router.add_post(PROPERTIES, definitions.add_property)
    router.add_get(PROPERTIES, definitions.list_properties, allow_head=False)
    router.add_delete(PROPERTIES, definitions.remove_properties)
    router.add_get(PROPERTY, definitions.show_property, allow_head=False)
    router.add_put(PROPERTY, definitions.replace_property)
    router.add_delete(PROPERTY, definitions.remove_property)
    router.add_post(TAGS, definitions.put_tags)
    router.add_get(TAGS, definitions.list_tags, allow_head=False)
    router.add_delete(TAGS, definitions.remove_tags)
    router.add_post(TAG, definitions.add_tag)
    router.add_get(TAG, definitions.show_tag, allow_head=False)
    router.add_put(TAG, definitions.rename_tag)
    router.add_delete(TAG, definitions.remove_tag)
    router.add_post(ASSOCIATIONS, definitions.associate)
    router.add_get(ASSOCIATIONS, definitions.list_associations, allow_head=False)
    router.add_delete(ASSOCIATION, definitions.dissociate)
    router.add_get(RESOURCE_TYPES, definitions.list_resource_types, allow_head=False)
