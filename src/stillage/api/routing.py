"""Finding the route of a request, in a time that does not depend on what its path looks like."""

from aiohttp import web
from aiohttp.web_urldispatcher import MatchInfoError, UrlMappingMatchInfo

DEEPEST = 32
"""Slashes in a path; no route has half as many."""


class ShallowRouter(web.UrlDispatcher):
    """aiohttp's router looks up every beginning of a path that ends at a slash: with 16,384 slashes 128 MiB in all."""

    async def resolve(self, request: web.Request) -> UrlMappingMatchInfo:
        if request.rel_url.raw_path.count("/") > DEEPEST:
            return MatchInfoError(web.HTTPNotFound())
        return await super().resolve(request)
