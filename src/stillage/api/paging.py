"""Pages of lists: ``limit`` and ``marker``, and the addresses of other pages."""

from collections.abc import Iterable
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


def first_page(path: str, query: Iterable[tuple[str, str]]) -> str:
    """Return the address of the first page of a list, below the host. *query*: of any of its pages."""
    kept = [(name, value) for name, value in query if name != "marker"]
    return f"{path}?{urlencode(kept)}" if kept else path


def next_page(first: str, marker: str) -> str:
    """Return the address of the page behind *marker*, of the list whose first page is at *first*."""
    return f"{first}{'&' if '?' in first else '?'}{urlencode({'marker': marker})}"


def following(request: web.Request, marker: str) -> str:
    """Return the whole address of the page behind *marker*, of the list that *request* asks for."""
    return f"{public_url(request)}{URL(str(request.rel_url)).update_query(marker=marker)}"
