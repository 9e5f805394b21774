"""Writes docs/routes.md, the page of every route, from what /openapi.json says."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from stillage.api import openapi
from stillage.api.application import dialects_of
from stillage.api.dialects import Dialect
from stillage.api.profiles import PROFILES

PAGE = Path(__file__).parent.parent / "docs" / "routes.md"
HEAD = """\
# Routes

Every route of a server with the embedded identity. Routes marked \N{EM DASH} need no credentials. The server's
`/openapi.json` describes parameters, headers and bodies as well; [api.md](api.md) says what goes for all routes. This
page is written by `scripts/routes_page.py`.
"""
COLUMNS = "| route | what it does | answers | |\n|---|---|---|---|\n"
MARK = "\N{EM DASH}"


def page() -> str:
    services: Any = SimpleNamespace(profile=PROFILES["openstack"], embedded=True, sessions=True)
    titles = ("Server", "Identity API v3", "IMS", "Image API v2", "Console")
    apis = zip(titles, dialects_of(services), strict=True)
    return HEAD + "".join(f"\n## {title}\n\n{_table(dialect)}" for title, dialect in apis)


def _table(dialect: Dialect) -> str:
    router = web.UrlDispatcher()
    dialect.add_routes(router)
    return "| route | what it does | answers | |\n|---|---|---|---|\n" + "".join(
        _rows(openapi.describe(router, [dialect]))
    )


def _rows(document: dict[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        if path.startswith("/identity/v3"):
            continue  # the same as /v3
        for method, operation in operations.items():
            summary = operation["summary"].partition(": ")[2].removesuffix(".").replace("|", "or")
            answers = " ".join(sorted(operation["responses"]))
            mark = "" if "security" in operation else MARK
            yield f"| `{method.upper()} {path}` | {summary} | {answers} | {mark} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
