import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from builders import image
from stillage.api.image_v2.ranges import Part, etag_of, part_of, precondition_status
from stillage.errors import RangeNotSatisfiable

ETAG = '"abc"'


def asking(**headers: str) -> web.Request:
    return make_mocked_request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("asked", "first", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-5", 2, 4),
        ("bytes=5-", 5, 5),
        ("bytes=-3", 7, 3),
        ("bytes=-99", 0, 10),
        ("bytes=0-99", 0, 10),
        ("Bytes=9-9", 9, 1),
    ],
)
def test_a_range_is_clipped_to_the_image(asked: str, first: int, length: int) -> None:
    assert part_of(asking(Range=asked), 10, ETAG) == Part(first, length, whole=False)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=a-b", "bytes", "5-6"])
def test_what_cannot_be_served_is_told_with_the_size(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable, match="10 bytes"):
        part_of(asking(Range=asked), 10, ETAG)


def test_no_range_of_an_empty_image_can_be_served() -> None:
    with pytest.raises(RangeNotSatisfiable):
        part_of(asking(Range="bytes=0-"), 0, ETAG)


def test_several_ranges_get_the_whole_image() -> None:
    assert part_of(asking(Range="bytes=0-1,3-4"), 10, ETAG).whole


def test_a_unit_that_we_do_not_know_gets_the_whole_image() -> None:
    assert part_of(asking(Range="lines=1-2"), 10, ETAG).whole


def test_if_range_with_another_etag_gets_the_whole_image() -> None:
    assert part_of(asking(Range="bytes=0-1", If_Range='"other"'), 10, ETAG).whole
    assert not part_of(asking(Range="bytes=0-1", If_Range=ETAG), 10, ETAG).whole
    assert part_of(asking(Range="bytes=0-1", If_Range="W/" + ETAG), 10, ETAG).whole


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"If_None_Match": ETAG}, 304),
        ({"If_None_Match": "W/" + ETAG}, 304),
        ({"If_None_Match": '"x", "abc"'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"x"'}, None),
        ({"If_Match": ETAG}, None),
        ({"If_Match": "*"}, None),
        ({"If_Match": '"x"'}, 412),
        ({"If_Match": "W/" + ETAG}, 412),
    ],
)
def test_conditions_are_evaluated_as_rfc_9110_says(headers: dict[str, str], status: int | None) -> None:
    assert precondition_status(asking(**headers), ETAG) == status


def test_the_etag_is_the_hash_of_the_bytes() -> None:
    assert etag_of(image(os_hash_value="0f")) == '"0f"'


@given(st.text(alphabet="bytes=0123456789-, x", max_size=30), st.integers(0, 100))
def test_any_range_gives_a_part_inside_the_image_or_a_refusal(asked: str, size: int) -> None:
    try:
        part = part_of(asking(Range=asked), size, ETAG)
    except RangeNotSatisfiable:
        return
    assert part.whole or 0 <= part.first < part.first + part.length <= size
