"""Read and write JSON bodies, with limits on size and nesting."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import hdrs, web

from stillage.api.http.body import body_of, length_of
from stillage.api.services import services
from stillage.errors import BodyMissing, InvalidInput, TooLarge

# Fits a record even with every character written as \uXXXX.
MAX_JSON = 1 << 20
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
SHOWN_AT_ONCE = 32
"""Lists of more images than this are written as JSON in a thread, so that they do not block the event loop."""
PARSED_AT_ONCE = 64 << 10
"""The most JSON that is parsed on the event loop, in up to 3 ms; more would block it."""


async def json_of(request: web.Request, *, limit: int = MAX_JSON) -> Any:
    """Return the request's JSON, of any kind.

    Raises:
        InvalidInput: If there is no body, it is not JSON, or an object repeats a member.
        TooLarge: If it has more than *limit* bytes.
    """
    raw = await _whole(request, limit)
    if not raw:
        raise BodyMissing
    return _parsed(raw) if len(raw) <= PARSED_AT_ONCE else await asyncio.to_thread(_parsed, raw)


async def json_object(request: web.Request, *, limit: int = MAX_JSON) -> dict[str, Any]:
    """Return the request's JSON object; InvalidInput if it is another kind of JSON."""
    document = await json_of(request, limit=limit)
    if not isinstance(document, dict):
        raise InvalidInput("the body must be a JSON object")
    return document


def json_response(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    headers = {**(headers or {}), hdrs.CONTENT_TYPE: "application/json"}
    return web.Response(body=encoded(document), status=status, headers=headers)


def encoded(document: Any) -> bytes:
    """Return *document* as compact JSON in UTF-8."""
    try:
        return orjson.dumps(document)
    except TypeError:  # an unpaired surrogate, or an integer of more than 64 bits
        return ENCODER.encode(document).encode("utf-8", "backslashreplace")


async def _whole(request: web.Request, limit: int) -> bytes:
    length = length_of(request)
    if length is not None and length > limit:
        raise TooLarge(f"the JSON body is too large: the limit is {limit} bytes, and this one has {length}")
    raw = bytearray()
    async for piece in body_of(request, idle_s=services(request).idle_s):
        raw += piece
        if len(raw) > limit:
            raise TooLarge(f"the JSON body is too large: the limit is {limit} bytes, and this one has more")
    return bytes(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise InvalidInput("the JSON is nested too deeply") from error
    except ValueError as error:  # also UnicodeDecodeError and integers of thousands of digits
        raise InvalidInput(f"the body is not JSON: {error}") from error


def _object(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(members)
    if len(made) != len(members):
        raise ValueError(f"the member {_repeated(members)[:64]!r} is there twice")
    return made


def _repeated(members: Sequence[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            break
        seen.add(name)
    return name


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
