"""Describe every route as OpenAPI 3.1, served at ``/openapi.json``.

Routes, methods and path parameters are read from the router, summaries from the handlers' docstrings, so they cannot
drift. The `Description` of each dialect adds what a router does not know, and the dialect knows which routes need a
token. A test finds routes without details, and details without a route.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from stillage import __version__
from stillage.api.description import JSON, OCTETS, TEXT, ref
from stillage.api.dialects import ROUTES, Dialect, find_dialect, name_of
from stillage.api.http.json_bodies import json_response
from stillage.api.json_schemas import Schema


def describe(router: web.UrlDispatcher, dialects: Sequence[Dialect]) -> dict[str, Any]:
    """Return the description of every route of *router* that belongs to one of *dialects*."""
    paths: dict[str, dict[str, Any]] = {}
    for route in router.routes():
        if route.method in ("HEAD", "*") or route.resource is None:
            continue
        path = route.resource.canonical
        if (dialect := find_dialect(dialects, path)) is not None:
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, dialect)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stillage", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _schemas(dialects),
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def _schemas(dialects: Sequence[Dialect]) -> dict[str, Schema]:
    return {name: schema for dialect in dialects for name, schema in dialect.description.schemas().items()}


def _operation(route: web.AbstractRoute, path: str, dialect: Dialect) -> dict[str, Any]:
    details = dialect.description.details(route.method, path)
    summary = (route.handler.__doc__ or "").strip().partition("\n")[0]
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}",
        "summary": summary,
        "parameters": [
            *_parameters("path", dict.fromkeys(re.findall(r"{(\w+)}", path), TEXT), required=True),
            *_parameters("query", details.query),
            *_parameters("header", details.headers),
        ],
        "responses": {
            **{str(status): _response(schema) for status, schema in details.success.items()},
            **{str(status): _response("Error") for status in details.errors if status not in details.success},
        },
    }
    if details.body:
        content = {media_type: {"schema": schema} for media_type, schema in details.body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    if name_of(route) not in dialect.public:
        operation["security"] = [{"token": []}]
    return operation


def _parameters(place: str, schemas: Mapping[str, Schema], **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "in": place, **more, "schema": schema} for name, schema in schemas.items()]


def _response(schema: str | None) -> dict[str, Any]:
    if schema is None:
        return {"description": "Done"}
    if schema in ("octets", "text"):
        return {"description": "Data", "content": {OCTETS if schema == "octets" else "text/plain": {}}}
    return {"description": schema, "content": {JSON: {"schema": ref(schema)}}}


async def show(request: web.Request) -> web.Response:
    """GET /openapi.json: this description."""
    # In a thread, because the first call derives the schemas from their types.
    return json_response(await asyncio.to_thread(describe, request.app.router, request.app[ROUTES].dialects))


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/openapi.json", show, allow_head=False)
