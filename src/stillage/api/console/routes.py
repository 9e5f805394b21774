"""The routes of the console, and their handlers."""

from aiohttp import web

from stillage.api.console import files, session


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/console/session", session.sign_in)
    router.add_get("/console/session", session.show)
    router.add_delete("/console/session", session.sign_out)
    files.add_routes(router)  # last, since every path below /console/ is a page
