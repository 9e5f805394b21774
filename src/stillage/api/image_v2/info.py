"""What this service has: stores, import methods, use.

Source: OpenStack Image API v2, "Stores", "Interoperable image import", "Quota usage".
"""

from aiohttp import web

from stillage.api.bodies import json_response
from stillage.api.image_v2.announced import STORE_ID
from stillage.api.services import caller, services

MIB = 1 << 20


async def stores(_request: web.Request) -> web.Response:
    """GET /v2/info/stores. The booleans are strings, as glanceclient expects."""
    return json_response({"stores": [_store()]})


async def stores_detail(request: web.Request) -> web.Response:
    """GET /v2/info/stores/detail: for administrators."""
    services(request).info.require_store_details(caller(request))
    return json_response({"stores": [{**_store(), "type": "file", "weight": 0, "properties": {"chunk_size": MIB}}]})


async def import_methods(_request: web.Request) -> web.Response:
    """GET /v2/info/import: none; clients then upload directly."""
    return json_response({"import-methods": {"description": "Import methods available.", "type": "array", "value": []}})


async def usage(request: web.Request) -> web.Response:
    """GET /v2/info/usage: what the caller's project uses, sizes in MiB. A limit of -1 is none."""
    used = await services(request).info.usage(caller(request))
    return json_response(
        {
            "usage": {
                "image_size_total": {"limit": -1, "usage": -(-used.bytes // MIB)},
                "image_count_total": {"limit": -1, "usage": used.images},
                "image_count_uploading": {"limit": -1, "usage": used.uploading},
                "image_stage_total": {"limit": -1, "usage": 0},
            }
        }
    )


def _store() -> dict[str, str]:
    return {"id": STORE_ID, "description": "Local files", "default": "true"}
