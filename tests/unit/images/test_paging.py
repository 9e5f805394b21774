"""Pages are limited in images and in bytes."""

import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

import builders
from stillage.api.image_v2.shape import image_view
from stillage.images.image import Image
from stillage.images.paging import full_page, is_full, shown_bytes

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


def of_size(number: int) -> Image:
    return builders.image(properties={"text": "x" * number})


def test_a_page_ends_with_the_image_that_fills_it_and_the_next_is_not_even_read() -> None:
    read: list[int] = []

    def images() -> Iterator[Image]:
        for number in range(9):
            read.append(number)
            yield of_size(5000)

    page = full_page(images(), 9, most_bytes=10_000)
    assert len(page) == len(read) == 2
    assert is_full(page, 9, most_bytes=10_000)


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
