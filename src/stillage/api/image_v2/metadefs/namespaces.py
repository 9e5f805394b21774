"""Create, list, show, replace and delete namespaces of metadata definitions.

Source: OpenStack Image API v2, "Metadata definition namespaces".
"""

import asyncio

from aiohttp import web

from stillage.api.http.json_bodies import json_object, json_response
from stillage.api.image_v2.metadefs import documents, shape
from stillage.api.image_v2.metadefs.names import namespace_in
from stillage.api.services import note, principal, public_url, services
from stillage.images.metadefs.query import namespaces_query


async def create(request: web.Request) -> web.Response:
    """POST /v2/metadefs/namespaces: create a namespace with everything in it, or nothing."""
    document = await json_object(request)
    contents = await services(request).metadefs.create(principal(request), document)
    note(request, target=contents.namespace.name)
    location = f"{public_url(request)}{shape.path_of(contents.namespace.name)}"
    return json_response(shape.contents_view(contents), status=201, headers={"Location": location})


async def list_namespaces(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces: a page of the namespaces, with the resource types that they are for."""
    pairs = list(request.query.items())
    query = namespaces_query(pairs)
    found = await services(request).metadefs.page(principal(request), query)

    def shown() -> web.Response:
        return json_response(shape.namespaces_view(found, limit=query.page.limit, query=pairs))

    return await asyncio.to_thread(shown)


async def show(request: web.Request) -> web.Response:
    """GET /v2/metadefs/namespaces/{namespace}: a namespace with everything in it.

    With `resource_type`, names of properties begin with the prefix of its association.
    """
    contents = await services(request).metadefs.show(principal(request), namespace_in(request))

    def shown() -> web.Response:
        return json_response(shape.contents_view(contents, resource_type=request.query.get("resource_type")))

    return await asyncio.to_thread(shown)


async def update(request: web.Request) -> web.Response:
    """PUT /v2/metadefs/namespaces/{namespace}: replace what it says of itself; what is left out gets its default."""
    document = await json_object(request)
    changed = await services(request).metadefs.update(principal(request), namespace_in(request), document)
    shown: documents.Namespace = shape.namespace_view(changed)
    return json_response(shown)


async def delete(request: web.Request) -> web.Response:
    """DELETE /v2/metadefs/namespaces/{namespace}: delete a namespace with everything in it."""
    await services(request).metadefs.delete(principal(request), namespace_in(request))
    return web.Response(status=204)
