"""Create, list, show, replace and delete what is in a namespace: objects, properties, tags and resource types.

Source: OpenStack Image API v2, "Metadata definition objects", "… properties", "… tags", "… resource types".
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2.metadefs import documents, shape
from stillage.api.image_v2.metadefs.names import name_in, namespace_in
from stillage.api.services import principal, services
from stillage.errors import Forbidden, InvalidInput
from stillage.images.metadefs.definitions import Definition, Kind
from stillage.images.metadefs.query import Page, definitions_query
from stillage.images.metadefs.requests import READ_ONLY
from stillage.images.values import text

APPEND = "X-Openstack-Append"
TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
"""What oslo's `bool_from_string` takes for true, in any case."""


async def add_object(request: web.Request) -> web.Response:
    """POST /v2/metadefs/namespaces/{namespace}/objects: add an object, a group of properties."""
    return json_response(_object(request, await _added(request, Kind.OBJECT)), status=201)


async def list_objects(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/objects: its objects; all of them without `limit`."""
    found = await _page(request, Kind.OBJECT, definitions_query(request.query.items()))
    document: documents.Objects = {
        "objects": [_object(request, each) for each in found],
        "schema": f"{shape.SCHEMAS}/objects",
    }
    return json_response(document)


async def show_object(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/objects/{name}: one object."""
    return json_response(_object(request, await _one(request, Kind.OBJECT)))


async def replace_object(request: web.Request) -> web.Response:
    """PUT /v2/metadefs/namespaces/{namespace}/objects/{name}: replace an object; also its name."""
    return json_response(_object(request, await _replaced(request, Kind.OBJECT)))


async def add_property(request: web.Request) -> web.Response:
    """POST /v2/metadefs/namespaces/{namespace}/properties: add a property."""
    return json_response(shape.named_property_view(await _added(request, Kind.PROPERTY)), status=201)


async def list_properties(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/properties: its properties, by their names."""
    found = await _page(request, Kind.PROPERTY, Page("name", descending=False))
    document: documents.Properties = {"properties": {each.name: shape.property_view(each) for each in found}}
    return json_response(document)


async def show_property(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/properties/{name}: one property.

    With `resource_type` its name begins with the prefix of that association.
    """
    resource_type = request.query.get("resource_type")
    if not resource_type:
        return json_response(shape.named_property_view(await _one(request, Kind.PROPERTY)))
    found = await services(request).metadefs.get_property(
        principal(request),
        namespace_in(request),
        name_in(request, Kind.PROPERTY),
        text("resource_type", resource_type),
    )
    return json_response(shape.named_property_view(found))


async def replace_property(request: web.Request) -> web.Response:
    """PUT /v2/metadefs/namespaces/{namespace}/properties/{name}: replace a property; also its name."""
    return json_response(shape.named_property_view(await _replaced(request, Kind.PROPERTY)))


async def add_tag(request: web.Request) -> web.Response:
    """POST /v2/metadefs/namespaces/{namespace}/tags/{name}: add a tag."""
    return json_response(shape.tag_view(await _added(request, Kind.TAG, _named)), status=201)


async def put_tags(request: web.Request) -> web.Response:
    """POST /v2/metadefs/namespaces/{namespace}/tags: replace all tags; with `X-Openstack-Append: True` add to them."""
    body = await json_object(request)
    for name in body:
        if name in READ_ONLY:
            raise Forbidden(f"attribute {name!r} is read-only; leave it out")
        if name != "tags":
            raise InvalidInput(f"unknown member {name[:64]!r}; use tags")
    append = request.headers.get(APPEND, "").strip().lower() in TRUE
    made = await services(request).metadefs.put_tags(
        principal(request), namespace_in(request), body.get("tags", []), append=append
    )
    return json_response(_tags(made), status=201)


async def list_tags(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/tags: its tags; all of them without `limit`."""
    return json_response(_tags(await _page(request, Kind.TAG, definitions_query(request.query.items()))))


async def show_tag(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/tags/{name}: one tag."""
    return json_response(shape.tag_view(await _one(request, Kind.TAG)))


async def rename_tag(request: web.Request) -> web.Response:
    """PUT /v2/metadefs/namespaces/{namespace}/tags/{name}: give a tag another name."""
    return json_response(shape.tag_view(await _replaced(request, Kind.TAG)))


async def associate(request: web.Request) -> web.Response:
    """POST /v2/metadefs/namespaces/{namespace}/resource_types: say that the namespace is for a resource type."""
    return json_response(shape.association_view(await _added(request, Kind.RESOURCE_TYPE)), status=201)


async def list_associations(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}/resource_types: the resource types that the namespace is for."""
    found = await _page(request, Kind.RESOURCE_TYPE, Page("name", descending=False))
    document: documents.Associations = {"resource_type_associations": [shape.association_view(each) for each in found]}
    return json_response(document)


async def list_resource_types(request: web.Request) -> web.Response:
    """GET /v2/metadefs/resource_types: the usual resource types, and all that a visible namespace is for."""
    found = await services(request).metadefs.resource_types(principal(request))
    document: documents.ResourceTypes = {
        "resource_types": [shape.resource_type_view(name, used) for name, used in found.items()]
    }
    return json_response(document)


async def remove_object(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/objects/{name}: delete an object."""
    return await _removed(request, Kind.OBJECT)


async def remove_property(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/properties/{name}: delete a property."""
    return await _removed(request, Kind.PROPERTY)


async def remove_tag(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/tags/{name}: delete a tag."""
    return await _removed(request, Kind.TAG)


async def dissociate(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/resource_types/{name}: the namespace is not for that type any more."""
    return await _removed(request, Kind.RESOURCE_TYPE)


async def remove_objects(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/objects: delete all objects of a namespace."""
    return await _all_removed(request, Kind.OBJECT)


async def remove_properties(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/properties: delete all properties of a namespace."""
    return await _all_removed(request, Kind.PROPERTY)


async def remove_tags(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}/tags: delete all tags of a namespace."""
    return await _all_removed(request, Kind.TAG)


async def _named(request: web.Request) -> dict[str, Any]:
    """Return the document of a tag, which is in the path."""
    return {"name": request.match_info["name"]}


async def _added(
    request: web.Request, kind: Kind, document_of: Callable[[web.Request], Awaitable[Any]] = json_object
) -> Definition:
    document = await document_of(request)
    return await services(request).metadefs.add(principal(request), namespace_in(request), kind, document)


async def _replaced(request: web.Request, kind: Kind) -> Definition:
    document = await json_object(request)
    name = name_in(request, kind)
    return await services(request).metadefs.replace(principal(request), namespace_in(request), kind, name, document)


async def _page(request: web.Request, kind: Kind, page: Page) -> list[Definition]:
    return list(await services(request).metadefs.page_of(principal(request), namespace_in(request), kind, page))


async def _one(request: web.Request, kind: Kind) -> Definition:
    name = name_in(request, kind)
    return await services(request).metadefs.get(principal(request), namespace_in(request), kind, name)


async def _removed(request: web.Request, kind: Kind) -> web.Response:
    name = name_in(request, kind)
    await services(request).metadefs.remove(principal(request), namespace_in(request), kind, name)
    return web.Response(status=204)


async def _all_removed(request: web.Request, kind: Kind) -> web.Response:
    await services(request).metadefs.remove_all(principal(request), namespace_in(request), kind)
    return web.Response(status=204)


def _object(request: web.Request, definition: Definition) -> documents.Object:
    return shape.object_view(namespace_in(request), definition)


def _tags(definitions: Any) -> documents.Tags:
    return {"tags": [{"name": each.name} for each in definitions]}
