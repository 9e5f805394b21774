"""Discovery: the one version there is. Needs no token.

Source: Identity API v3, "API versions".
"""

from aiohttp import web

from stillage.api.http.json_bodies import json_response
from stillage.api.identity_v3.request import base_url
from stillage.api.identity_v3.shape import version_document


async def choices(request: web.Request) -> web.Response:
    """GET /identity: the versions of the identity API, of which there is one."""
    url = base_url(request)
    document = {"versions": {"values": [version_document(url)]}}
    return json_response(document, status=300, headers={"Location": f"{url}/"})


async def version(request: web.Request) -> web.Response:
    """GET /v3: the version, with and without a final slash: keystoneauth uses both and follows no redirect."""
    return json_response({"version": version_document(base_url(request))})
