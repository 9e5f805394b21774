"""The web application: every route and middleware of a deployment's APIs."""

from collections.abc import Sequence

from aiohttp import web

from stillage.api import audit, cors, middleware, root
from stillage.api.console import dialect as console
from stillage.api.console import page_headers
from stillage.api.dialects import ROUTES, Dialect, KnownRoutes
from stillage.api.http import time_limits
from stillage.api.identity_v3 import dialect as identity_v3
from stillage.api.image_v2 import dialect as image_v2
from stillage.api.image_v2.uploads import tus
from stillage.api.ims.dialect import IMS
from stillage.api.routing import ShallowRouter
from stillage.api.services import SERVICES, Services


def make_web(services: Services, *, also: Sequence[Dialect] = ()) -> web.Application:
    """Return the web application: every route and middleware. *also*: APIs beside those of every deployment."""
    application = web.Application(
        middlewares=[
            middleware.observe,
            audit.audit,
            middleware.translate_errors,
            cors.answer_preflights,
            time_limits.limit_time,
            middleware.authenticate,
        ]
    )
    application._router = ShallowRouter()  # noqa: SLF001 - its argument is deprecated, and there is no other way
    application[SERVICES] = services
    application[ROUTES] = routes = KnownRoutes([*dialects_of(services), *also])
    application.on_response_prepare.append(middleware.add_headers)
    application.on_response_prepare.append(tus.mark)
    application.on_response_prepare.append(identity_v3.mark)
    application.on_response_prepare.append(page_headers.mark)
    application.on_response_prepare.append(cors.mark)
    for dialect in routes.dialects:
        dialect.add_routes(application.router)
    return application


def dialects_of(services: Services) -> Sequence[Dialect]:
    """Return the APIs of a deployment. Paths outside of them are 404."""
    wording = services.profile.wording
    identity = identity_v3.IDENTITY_V3 if services.embedded is not None else identity_v3.ELSEWHERE
    apis = root.dialect(wording), identity, IMS, image_v2.dialect(wording)
    return apis if services.sessions is None else (*apis, console.dialect(wording))
