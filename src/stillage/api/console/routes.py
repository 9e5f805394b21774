"""The routes of the console, and their handlers."""

from aiohttp import web

from stillage.api.console import files, session, sessions


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/console/session", session.sign_in)
    router.add_get("/console/session", session.show)
    router.add_delete("/console/session", session.sign_out)
    router.add_get("/console/sessions", sessions.list_all, allow_head=False)
    router.add_delete("/console/sessions/{session_id}", sessions.end)
    files.add_routes(router)  # last, since every path below /console/ is a page
