"""Health checks, readiness and metrics: /healthz, /readyz and /metrics."""

from aiohttp import web

from stillage.api import metrics
from stillage.api.http.json_bodies import json_response
from stillage.api.services import Services, principal, services
from stillage.errors import StillageError


async def alive(_request: web.Request) -> web.Response:
    """GET /healthz: 200 if the process answers."""
    return json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """GET /readyz: 200 if database and store answer, files can be opened and the server is not stopping; else 503."""
    app_services = services(request)
    parts = {"server": _state(app_services)}
    for name, check in (("database", app_services.database.check), ("store", app_services.stores.check)):
        try:
            await check()
            parts[name] = "ok"
        except StillageError as error:
            parts[name] = str(error)
    fine = all(state == "ok" for state in parts.values())
    return json_response({"status": "ok" if fine else "unavailable", **parts}, status=200 if fine else 503)


def _state(app_services: Services) -> str:
    if app_services.running.stopping:
        return "stopping"
    return "the limit of open files is reached; new connections wait" if app_services.descriptors.are_short() else "ok"


async def show_metrics(request: web.Request) -> web.Response:
    """GET /metrics: metrics, for administrators. `metrics_listen` serves them to Prometheus without a token."""
    services(request).info.require_metrics(principal(request))
    return await metrics.response(services(request).metrics, services(request).status)


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/healthz", alive)
    router.add_get("/readyz", ready)
    router.add_get("/metrics", show_metrics)
