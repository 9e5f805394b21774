"""Which part of an image a download asks for.

Source: RFC 9110 §13 (preconditions) and §14 (ranges); OpenStack Image API v2, "Download binary image data", which
answers 416 to an invalid range as well.
"""

import re
from dataclasses import dataclass

from aiohttp import hdrs, web

from stillage.api.image_v2.upload_headers import OCTETS
from stillage.errors import RangeNotSatisfiable
from stillage.images.image import Image

OTHER_UNIT = re.compile(r"(?!bytes=)[!#$%&'*+.^_`|~0-9a-z-]+=", re.IGNORECASE)
ONE_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes ``first … first + length - 1``. *whole*: no range was requested."""

    first: int
    length: int
    whole: bool

    def headers(self, size: int) -> dict[str, str]:
        """Return the headers of an answer with this part of *size* bytes."""
        described = {"Content-Type": OCTETS, "Content-Length": str(self.length)}
        if not self.whole:
            described["Content-Range"] = f"bytes {self.first}-{self.first + self.length - 1}/{size}"
        return described


def etag_of(image: Image) -> str:
    """A strong validator: the bytes never change, and their hash names them."""
    return f'"{image.os_hash_value}"'


def precondition_status(request: web.Request, etag: str) -> int | None:
    """Return 412 or 304 if a precondition of the request fails, else None."""
    match = request.headers.get(hdrs.IF_MATCH)
    if match is not None and not _names(match, etag):
        return 412
    none_match = request.headers.get(hdrs.IF_NONE_MATCH)
    if none_match is not None and _names(none_match, etag, weak=True):
        return 304
    return None


def part_of(request: web.Request, size: int, etag: str) -> Part:
    """Return which of *size* bytes to send.

    Raises:
        RangeNotSatisfiable: If the range is invalid, or begins beyond the end.
    """
    whole = Part(0, size, whole=True)
    requested = request.headers.get(hdrs.RANGE)
    condition = request.headers.get(hdrs.IF_RANGE)
    if request.method != hdrs.METH_GET:
        return whole  # ranges are defined for GET only
    if requested is not None and OTHER_UNIT.match(requested):
        return whole
    if requested is None or (condition is not None and condition.strip() != etag):
        return whole
    if "," in requested and requested.lower().startswith("bytes="):
        return whole  # several ranges: RFC 9110 lets a server send everything
    return _one(requested, size)


def _one(requested: str, size: int) -> Part:
    match = ONE_RANGE.fullmatch(requested)
    if match is None or len(requested) > 64 or match.groups() == ("", ""):
        raise RangeNotSatisfiable(requested[:64], size)
    begin, end = match.groups()
    if not begin:
        length = min(int(end), size)
        first, last = size - length, size - 1
    else:
        first = int(begin)
        last = min(int(end), size - 1) if end else size - 1
        if end and int(end) < first:
            raise RangeNotSatisfiable(requested, size)
    if first > last:
        raise RangeNotSatisfiable(requested, size)
    return Part(first, last - first + 1, whole=False)


def _names(header: str, etag: str, *, weak: bool = False) -> bool:
    listed = [item.strip() for item in header.split(",")]
    if weak:
        listed = [item.removeprefix("W/") for item in listed]
    return "*" in listed or etag in listed
