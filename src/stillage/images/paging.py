"""Cuts a list into pages by number of images and by bytes, whichever limit comes first. Pure."""

import json
from collections.abc import Iterable, Sequence

from stillage.images.image import Image

PAGE_BYTES = 1 << 20
"""Size limit for the JSON of a page's images: the page ends with the image that exceeds it."""
FIXED_BYTES = 1200
"""Upper limit for the JSON of an image without its texts: ids, digests, times, links and attribute names."""

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def full_page(images: Iterable[Image], limit: int, *, most_bytes: int = PAGE_BYTES) -> list[Image]:
    """Return the first of *images* until the page is full, without reading further."""
    page: list[Image] = []
    size = 0
    for image in images:
        page.append(image)
        size += shown_bytes(image)
        if len(page) == limit or size >= most_bytes:
            break
    return page


def is_full(page: Sequence[Image], limit: int, *, most_bytes: int = PAGE_BYTES) -> bool:
    """Return whether there may be more images after *page*."""
    return len(page) == limit or size_of(page) >= most_bytes


def size_of(page: Iterable[Image]) -> int:
    """Return an upper estimate of the JSON of *page*, in bytes."""
    return sum(map(shown_bytes, page))


def shown_bytes(image: Image) -> int:
    texts = [image.name, image.owner, image.tags, dict(image.properties), image.reason, image.damage]
    return len(encoded(texts).encode()) + FIXED_BYTES
