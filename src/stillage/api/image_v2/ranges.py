"""Which part of an image a download asks for.

Source: RFC 9110 §13 (preconditions) and §14 (ranges); OpenStack Image API v2, "Download binary image data", which
answers 416 also to what is no range at all.
"""

import re
from dataclasses import dataclass

from aiohttp import hdrs, web

from stillage.errors import RangeNotSatisfiable
from stillage.images.image import Image

OTHER_UNIT = re.compile(r"(?!bytes=)[!#$%&'*+.^_`|~0-9a-z-]+=", re.IGNORECASE)
ONE_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes ``first … first + length - 1``. *whole* when nothing less was asked for."""

    first: int
    length: int
    whole: bool


def etag_of(image: Image) -> str:
    """A strong validator: the bytes never change, and their hash names them."""
    return f'"{image.os_hash_value}"'


def precondition_status(request: web.Request, etag: str) -> int | None:
    """Return 412 or 304 if the request's conditions say so, None to go on."""
    match = request.headers.get(hdrs.IF_MATCH)
    if match is not None and not _names(match, etag):
        return 412
    none_match = request.headers.get(hdrs.IF_NONE_MATCH)
    if none_match is not None and _names(none_match, etag, weak=True):
        return 304
    return None


def part_of(request: web.Request, size: int, etag: str) -> Part:
    """Return what to send of *size* bytes.

    Raises:
        RangeNotSatisfiable: If the range is none, or begins beyond the end.
    """
    whole = Part(0, size, whole=True)
    asked = request.headers.get(hdrs.RANGE)
    condition = request.headers.get(hdrs.IF_RANGE)
    if request.method != hdrs.METH_GET:
        return whole  # ranges are defined for GET alone
    if asked is not None and OTHER_UNIT.match(asked):
        return whole
    if asked is None or (condition is not None and condition.strip() != etag):
        return whole
    if "," in asked and asked.lower().startswith("bytes="):
        return whole  # several ranges: RFC 9110 lets a server send everything
    return _one(asked, size)


def _one(asked: str, size: int) -> Part:
    match = ONE_RANGE.fullmatch(asked)
    if match is None or len(asked) > 64 or match.groups() == ("", ""):
        raise RangeNotSatisfiable(asked[:64], size)
    begin, end = match.groups()
    if not begin:
        length = min(int(end), size)
        first, last = size - length, size - 1
    else:
        first = int(begin)
        last = min(int(end), size - 1) if end else size - 1
        if end and int(end) < first:
            raise RangeNotSatisfiable(asked, size)
    if first > last:
        raise RangeNotSatisfiable(asked, size)
    return Part(first, last - first + 1, whole=False)


def _names(header: str, etag: str, *, weak: bool = False) -> bool:
    listed = [item.strip() for item in header.split(",")]
    if weak:
        listed = [item.removeprefix("W/") for item in listed]
    return "*" in listed or etag in listed
