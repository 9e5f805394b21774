"""Pages are limited in images and in bytes."""

import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

import builders
from stillage.api.image_v2.shape import image_view
from stillage.images.image import Image
from stillage.images.paging import AT_ONCE, full_page, is_full, shown_bytes, size_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


def of_size(number: int) -> Image:
    return builders.image(properties={"text": "\x01" * number})  # six bytes each in JSON


def test_a_page_ends_with_the_image_that_fills_it_and_few_behind_it_are_read() -> None:
    read: list[int] = []

    def images() -> Iterator[Image]:
        for number in range(999):
            read.append(number)
            yield of_size(800)

    page = full_page(images(), 999, most_bytes=10_000)
    assert len(page) == 2
    assert len(read) <= AT_ONCE
    assert is_full(page, 999, most_bytes=10_000)


@given(
    sizes=st.lists(st.integers(0, 300), max_size=3 * AT_ONCE),
    limit=st.integers(1, 100),
    most_bytes=st.integers(1, 99_999),
)
def test_a_page_is_as_long_as_when_each_image_is_measured_alone(sizes: list[int], limit: int, most_bytes: int) -> None:
    images = [of_size(size) for size in sizes]
    expected, filled = 0, 0
    while expected < min(limit, len(images)) and filled < most_bytes:
        filled += shown_bytes(images[expected])
        expected += 1
    page = full_page(images, limit, most_bytes=most_bytes)
    assert page == images[:expected]
    assert size_of(page) == sum(map(shown_bytes, page))


def test_a_page_has_one_image_however_large_it_is() -> None:
    assert len(full_page([of_size(5000), of_size(1)], 9, most_bytes=100)) == 1


def test_a_page_that_is_not_full_is_the_last() -> None:
    page = full_page([of_size(1), of_size(2)], 3)
    assert (len(page), is_full(page, 3), is_full(page, 2)) == (2, False, True)


@given(
    name=st.none() | TEXTS, tags=st.lists(TEXTS, unique=True), properties=st.dictionaries(TEXTS, TEXTS), reason=TEXTS
)
def test_no_image_takes_more_in_json_than_is_counted(
    name: str | None, tags: list[str], properties: dict[str, str], reason: str
) -> None:
    image = builders.image(name=name, tags=tuple(tags), properties=properties, reason=reason, damage=reason)
    shown = json.dumps(image_view(image), ensure_ascii=False, separators=(",", ":"))
    assert len(shown.encode()) <= shown_bytes(image)
