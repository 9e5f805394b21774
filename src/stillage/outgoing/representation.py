"""What the head of an answer says of a file on the web: its length, which version it is, and which part is coming.

Pure. Source: RFC 9110, "Content-Length", "Content-Range", "Accept-Ranges", "If-Range" and "Validators".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath

from yarl import URL

NUMBER = re.compile(r"[0-9]{1,19}")
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
UNSATISFIED = re.compile(r"bytes \*/([0-9]{1,19})")
STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
GZIP = ("gzip", "x-gzip")
CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
"""Codings that can be undone, and what they are as files."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a file that an answer has: from *start* up to but not including *end*, of *total* bytes."""

    start: int
    end: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Representation:
    """A file as one server has it at one moment.

    Attributes:
        length: In bytes as they are sent; None if only the end of the answer tells.
        validator: Tells this version from any other, for ``If-Range``; None if there is no strong one.
        ranges: The server says that it takes ranges.
        coding: How it is packed for the way, None if it is not.
        delimited: The end of the answer can be told from a lost connection.
    """

    length: int | None
    validator: str | None
    ranges: bool
    coding: str | None
    delimited: bool


def representation_of(headers: Mapping[str, str], name: str) -> Representation:
    """Read the head of a complete answer (200) with the file *name*. The names in *headers* are in any case."""
    length = headers.get("Content-Length")
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    coding = headers.get("Content-Encoding", "").strip().lower()
    is_plain = coding in ("", "identity") or _is_packed_file(name, coding)
    return Representation(
        length=int(length) if length is not None and not chunked and NUMBER.fullmatch(length) else None,
        validator=_validator(headers),
        ranges=headers.get("Accept-Ranges", "").strip().lower() == "bytes",
        coding=None if is_plain else coding,
        delimited=chunked or length is not None,
    )


def part_of(headers: Mapping[str, str]) -> Part | None:
    """Return which part a partial answer (206) says that it has, or None if that makes no sense."""
    match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is None:
        return None
    start, end = int(match[1]), int(match[2]) + 1
    total = None if match[3] == "*" else int(match[3])
    if start >= end or (total is not None and end > total):
        return None
    length = headers.get("Content-Length")
    return Part(start, end, total) if length in (None, str(end - start)) else None


def is_same(headers: Mapping[str, str], seen: Representation, total: int | None) -> bool:
    """Whether an answer with *headers*, of a file of *total* bytes, can be of the version that was *seen*."""
    if seen.length is not None and total is not None and seen.length != total:
        return False
    name = "ETag" if (seen.validator or "").startswith('"') else "Last-Modified"
    given = headers.get(name)
    return given is None or seen.validator is None or given.strip() == seen.validator


def is_replaced(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer to a request for the rest of a file says that there is another file, or a shorter one."""
    is_shorter = status == 416 and UNSATISFIED.fullmatch(headers.get("Content-Range", "").strip()) is not None
    return status == 412 or is_shorter


def file_name(url: URL) -> str:
    """Return the last part of the path of *url*, decoded."""
    return PurePosixPath(url.path).name


def _validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "").strip()
    if STRONG_ETAG.fullmatch(etag):
        return etag
    modified, date = headers.get("Last-Modified"), headers.get("Date")
    if modified is None or date is None:
        return None
    # Weaker than a second it is: the file may have changed twice within the one that the date names.
    changed, sent = _date(modified), _date(date)
    if changed is None or sent is None or sent - changed < timedelta(seconds=1):
        return None
    return modified.strip()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return None if date.tzinfo is None else date


def _is_packed_file(name: str, coding: str) -> bool:
    """Whether *coding* only repeats what the file *name* is: of ``x.gz`` servers say ``Content-Encoding: gzip``."""
    return coding in GZIP and name.lower().endswith((".gz", ".tgz"))
