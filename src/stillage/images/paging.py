"""Cuts a list into pages by number of images and by bytes, whichever limit comes first. Pure."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from stillage.images.image import Image

PAGE_BYTES = 1 << 20
"""Size limit for the JSON of a page's images: the page ends with the image that exceeds it."""
FIXED_BYTES = 1200
"""Upper limit for the JSON of an image without its texts: ids, digests, times, links and attribute names."""

ESCAPED, AROUND = 6, 6
"""Upper limits for the JSON of a character, and for what stands around a text: quotes, a comma, ``null``, brackets."""

AT_ONCE = 32
"""How many images are measured together: writing their JSON to no purpose costs little then."""

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def full_page(images: Iterable[Image], limit: int, *, most_bytes: int = PAGE_BYTES) -> list[Image]:
    """Return the first of *images* until the page is full, having read fewer than `AT_ONCE` more."""
    page: list[Image] = []
    bound = size = measured = 0
    remaining = iter(images)
    while some := list(islice(remaining, min(AT_ONCE, limit - len(page)))):
        bound += _at_most(some)
        if bound >= most_bytes:
            size += size_of(page[measured:])
            measured = len(page)
            if size + size_of(some) >= most_bytes:
                return [*page, *_first(some, most_bytes - size)]
        page += some
    return page


def _first(images: Sequence[Image], most_bytes: int) -> Iterator[Image]:
    size = 0
    for image in images:
        if size < most_bytes:
            yield image
        size += shown_bytes(image)


def is_full(page: Sequence[Image], limit: int, *, most_bytes: int = PAGE_BYTES) -> bool:
    """Return whether there may be more images after *page*."""
    return len(page) == limit or (_at_most(page) >= most_bytes and size_of(page) >= most_bytes)


def size_of(page: Collection[Image]) -> int:
    """Return an upper estimate of the JSON of *page*, in bytes."""
    array = encoded([_texts(image) for image in page])
    return len(array.encode()) - len("[]") - max(len(page) - 1, 0) + len(page) * FIXED_BYTES


def _at_most(page: Sequence[Image]) -> int:
    """Return what `size_of` never exceeds, in a fraction of the time: few pages are anywhere near the limit."""
    texts: list[str | None] = []
    for image in page:
        texts += image.name, image.owner, image.reason, image.damage
        texts += image.tags
        texts += image.properties
        texts += image.properties.values()
    lists = 2 * len(page)  # of tags and of properties
    return len(page) * FIXED_BYTES + AROUND * (lists + len(texts)) + ESCAPED * len("".join(filter(None, texts)))


def shown_bytes(image: Image) -> int:
    return size_of([image])


def _texts(image: Image) -> list[object]:
    return [image.name, image.owner, image.tags, dict(image.properties), image.reason, image.damage]
