"""Reads the headers of a piece: ``Content-Range`` and what must agree with it.

Source: docs/resumable.md; RFC 9110 §14.4, §14.5 (partial PUT); RFC 9530 (Content-Digest).
"""

import re
from dataclasses import dataclass

from aiohttp import hdrs

from stillage.api.image_v2.upload_headers import UploadHeaders
from stillage.api.image_v2.uploads.fields import find_boolean
from stillage.errors import InvalidInput, SizeMismatch
from stillage.images.upload import Expected, Piece

CONTENT_RANGE = re.compile(r"bytes +(?:([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)|\*/([0-9]{1,18}))", re.IGNORECASE)
ZEROS = "Upload-Zeros"


@dataclass(frozen=True, slots=True)
class Question:
    """A request for the state of the upload: it brings no bytes, and says that the image has *size* of them."""

    size: int


def piece_of(headers: UploadHeaders) -> Piece | Question:
    """Return where the request's bytes belong.

    Raises:
        WrongMediaType: If they are no plain bytes.
        SizeMismatch, InvalidInput: If the head contradicts itself, or cannot be read.
    """
    if hdrs.CONTENT_TYPE in headers.fields or headers.length != 0:
        headers.require_octets()
    first, length, size = _range_of(headers)
    if headers.image_size is not None and size not in (None, headers.image_size):
        raise SizeMismatch(headers.image_size, size or 0)
    zeros = find_boolean(headers.fields, ZEROS) is True
    expected = 0 if zeros else length
    if headers.length not in (None, expected):
        raise InvalidInput(f"Content-Range names {length} bytes, but the body has {headers.length}; send {expected}")
    if first is None:
        return Question(size or 0)
    return Piece(first, length, headers.image_size if size is None else size, digests=headers.digests, zeros=zeros)


def expected_of(headers: UploadHeaders, piece: Piece) -> Expected:
    """Return what the head of *piece* says of the whole image."""
    return Expected(piece.size, headers.image_digests)


def _range_of(headers: UploadHeaders) -> tuple[int | None, int, int | None]:
    """Return the first byte, None in a question; the number of bytes; and the whole's, None while nobody knows it."""
    sent = headers.fields.getall(hdrs.CONTENT_RANGE, [])
    match = CONTENT_RANGE.fullmatch(sent[0].strip()) if len(sent) == 1 else None
    if match is None:
        shown = ", ".join(sent)[:100] or "missing"
        raise InvalidInput(f"Content-Range must be 'bytes FIRST-LAST/SIZE' or 'bytes */SIZE', not {shown!r}")
    if match[4] is not None:
        return None, 0, int(match[4])
    first, last, size = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    if last < first or (size is not None and last >= size):
        raise InvalidInput(f"Content-Range {match[0]!r} is not valid: it needs FIRST ≤ LAST < SIZE")
    return first, last - first + 1, size
