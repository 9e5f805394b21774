"""Names of the objects that pieces of an unfinished image are stored in, and which of them has which bytes. Pure."""

import re
from collections.abc import Iterator, Sequence
from uuid import uuid4

from stillage.ids import BlobKey
from stillage.images.upload import Kept
from stillage.spans import Span

KEY = re.compile(r"([0-9a-f]{32})(\.partial/.*)?\Z")
FOLDER = ".partial/"
ZEROS = "zeros"
"""The name of bytes that no object has because they are zeros."""
BEGUN = "begun"
"""An empty object beside the pieces: the partial blob exists."""


def key_in(name: str) -> BlobKey | None:
    """Return the key of the blob that an object belongs to by its name; None for one of another program."""
    found = KEY.match(name)
    return None if found is None else BlobKey(found[1])


def new_name(first: int) -> str:
    """Return a name that nobody else uses, for bytes that begin at *first*."""
    return f"{first:x}-{uuid4().hex}"


def first_of(name: str) -> int:
    return int(name.partition("-")[0], 16)


def object_of(key: BlobKey, name: str) -> str:
    """Return the key of the object with this name."""
    return f"{key}{FOLDER}{name}"


def joined(kept: Sequence[Kept]) -> list[Kept]:
    """Return the same in as few as possible: what became of one object by and by is one."""
    result: list[Kept] = []
    for part in kept:
        if result and result[-1].name == part.name and result[-1].span.end == part.span.first:
            result[-1] = Kept(Span(result[-1].span.first, part.span.end), part.name)
        else:
            result.append(part)
    return result


def pieces_of(span: Span, kept: Sequence[Kept]) -> Iterator[tuple[Span, str | None]]:
    """Yield what *span* consists of, in order: the bytes, and the name of their object; None for zeros."""
    at = span.first
    for part in joined([part for part in kept if part.name != ZEROS]):
        if part.span.first > at:
            yield Span(at, part.span.first), None
        yield part.span, part.name
        at = part.span.end
    if at < span.end:
        yield Span(at, span.end), None


def within_object(span: Span, name: str) -> Span:
    """Return where *span* of the image is in the object with this name."""
    return Span(span.first - first_of(name), span.end - first_of(name))
