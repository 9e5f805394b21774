"""What this service offers: stores, import methods, quota usage.

Source: OpenStack Image API v2, "Stores", "Interoperable image import", "Quota usage".
"""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.image_v2 import documents
from stillage.api.services import principal, services
from stillage.images.quota import NO_LIMIT
from stillage.stores.catalog import NamedStore, Stores

MIB = 1 << 20


async def stores(request: web.Request) -> web.Response:
    """GET /v2/info/stores: the stores. Their booleans are strings, as glanceclient expects."""
    known = services(request).stores
    document: documents.Stores = {"stores": [_store(known, one) for one in known]}
    return json_response(document)


async def stores_detail(request: web.Request) -> web.Response:
    """GET /v2/info/stores/detail: the stores with their properties, for administrators."""
    services(request).info.require_store_details(principal(request))
    known = services(request).stores
    document: documents.Stores = {"stores": [_store_in_detail(known, one) for one in known]}
    return json_response(document)


async def import_methods(request: web.Request) -> web.Response:
    """GET /v2/info/import: the methods by which images can be imported."""
    methods: documents.ImportMethodNames = {
        "description": "Import methods available.",
        "type": "array",
        "value": list(services(request).imports.methods),
    }
    document: documents.ImportMethods = {"import-methods": methods}
    return json_response(document)


async def usage(request: web.Request) -> web.Response:
    """GET /v2/info/usage: usage and limits of the user's project, sizes in MiB. A limit of -1 is none."""
    info = services(request).info
    found, staged = await info.quota(principal(request)), await info.staged_bytes(principal(request))
    used, limits = found.usage, found.limits
    document: documents.Usage = {
        "usage": {
            "image_size_total": {"limit": _limit(limits.bytes, MIB), "usage": -(-used.bytes // MIB)},
            "image_count_total": {"limit": _limit(limits.images), "usage": used.images},
            "image_count_uploading": {"limit": _limit(limits.uploads), "usage": used.uploads},
            "image_stage_total": {"limit": -1, "usage": -(-staged // MIB)},
        }
    }
    return json_response(document)


def _limit(limit: int | None, unit: int = 1) -> int:
    return NO_LIMIT if limit in (None, NO_LIMIT) else limit // unit


def _store(known: Stores, one: NamedStore) -> documents.Store:
    document: documents.Store = {"id": one.id}
    if one.description:
        document["description"] = one.description
    if one is known.default:
        document["default"] = "true"
    if one.read_only:
        document["read-only"] = "true"
    return document


def _store_in_detail(known: Stores, one: NamedStore) -> documents.Store:
    details: documents.Store = {**_store(known, one), "type": one.kind, "weight": one.weight}
    return {**details, "properties": dict(one.properties)}
