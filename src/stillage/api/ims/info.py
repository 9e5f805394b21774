"""Quotas, and the versions of operating systems.

Source: IMS API Reference, "Querying the Image Quota"; Huawei Cloud IMS, "Querying Supported Image OSs".
"""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.ims import documents
from stillage.api.ims.shape import platforms_view
from stillage.api.services import principal, services
from stillage.images.quota import NO_LIMIT

ENDLESS = 2**31 - 1
"""What stands for a quota without a limit: clients expect a number."""


async def quota(request: web.Request) -> web.Response:
    """GET /v1/cloudimages/quota: how many images the project has, and may have."""
    found = await services(request).info.quota(principal(request))
    limit = found.limits.images
    most = ENDLESS if limit in (None, NO_LIMIT) else limit
    images: documents.ImsQuota = {"type": "image", "used": found.usage.images, "quota": most, "min": 1, "max": most}
    document: documents.ImsQuotas = {"quotas": {"resources": [images]}}
    return json_response(document)


async def os_versions(request: web.Request) -> web.Response:
    """GET /v1/cloudimages/os_version: the known versions of operating systems, by platform."""
    return json_response(platforms_view(services(request).os_versions or ()))
