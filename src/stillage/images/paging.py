"""One page of a list: so many images, or so many bytes of them, whichever comes first. Pure."""

import json
from collections.abc import Iterable, Sequence

from stillage.images.image import Image

PAGE_BYTES = 1 << 20
"""Of the JSON of a page's images: with the one that passes it, a page is full."""
FIXED_BYTES = 1200
"""What an image takes without its texts, at the most: ids, digests, times, links and the names of attributes."""

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def full_page(images: Iterable[Image], limit: int, *, most_bytes: int = PAGE_BYTES) -> list[Image]:
    """Return the first of *images*, and read no more of them than that, until the page is full."""
    page: list[Image] = []
    size = 0
    for image in images:
        page.append(image)
        size += shown_bytes(image)
        if len(page) == limit or size >= most_bytes:
            break
    return page


def is_full(page: Sequence[Image], limit: int, *, most_bytes: int = PAGE_BYTES) -> bool:
    """Return whether there may be more behind *page*."""
    return len(page) == limit or size_of(page) >= most_bytes


def size_of(page: Iterable[Image]) -> int:
    """Return how many bytes of JSON *page* makes, or a few more."""
    return sum(map(shown_bytes, page))


def shown_bytes(image: Image) -> int:
    texts = [image.name, image.owner, image.tags, dict(image.properties), image.reason, image.damage]
    return len(encoded(texts).encode()) + FIXED_BYTES
