"""Pages of lists: ``limit`` and ``marker``, and the addresses of other pages."""

from collections.abc import Sequence
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from stillage.accounts.names import is_name
from stillage.api.services import public_url
from stillage.errors import InvalidInput

MOST = 1000
"""Entries of one page."""


def limit_of(request: web.Request, *, default: int = MOST) -> int:
    """Return how many entries a page may have; InvalidInput if ``limit`` is no number from 1."""
    text = request.query.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise InvalidInput(f"limit must be a number from 1, not {text[:32]!r}; a page has at most {MOST}")
    return min(int(text), MOST)


def marker_of(request: web.Request) -> str | None:
    """Return the id behind which the page begins, or None; InvalidInput if it cannot be one."""
    text = request.query.get("marker")
    if text is not None and not is_name(text):
        raise InvalidInput(f"marker {text[:80]!r} is no id")
    return text


def link(path: str, query: Sequence[tuple[str, str]]) -> str:
    """Return the address of a page, below the host."""
    return f"{path}?{urlencode(query)}" if query else path


def following(request: web.Request, marker: str) -> str:
    """Return the whole address of the page behind *marker*, of the list that *request* asks for."""
    return f"{public_url(request)}{URL(str(request.rel_url)).update_query(marker=marker)}"
