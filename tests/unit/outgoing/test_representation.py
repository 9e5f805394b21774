import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from stillage.outgoing.representation import (
    Part,
    Representation,
    file_name,
    is_replaced,
    is_same,
    part_of,
    representation_of,
)

DATE = "Sun, 29 Nov 2026 10:00:00 GMT"
OLDER = "Sun, 29 Nov 2026 09:59:59 GMT"


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a-1:2"'}, '"a-1:2"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": '"a" "b"'}, None),
        ({"ETag": 'W/"a"', "Last-Modified": OLDER, "Date": DATE}, OLDER),
        ({"Last-Modified": OLDER, "Date": DATE}, OLDER),
        ({"Last-Modified": DATE, "Date": DATE}, None),
        ({"Last-Modified": DATE, "Date": OLDER}, None),
        ({"Last-Modified": OLDER}, None),
        ({"Last-Modified": "29 Nov 2026 09:00:00 -0000", "Date": DATE}, None),
    ],
)
def test_only_what_tells_two_versions_apart_is_a_validator(headers: dict[str, str], validator: str | None) -> None:
    assert representation_of(headers, "x").validator == validator


@pytest.mark.parametrize(
    ("headers", "length", "delimited"),
    [
        ({"Content-Length": "12"}, 12, True),
        ({"Content-Length": "0"}, 0, True),
        ({"Transfer-Encoding": "chunked"}, None, True),
        ({"Transfer-Encoding": "chunked", "Content-Length": "12"}, None, True),
        ({}, None, False),
    ],
)
def test_the_length_is_what_the_answer_declares(headers: dict[str, str], length: int | None, delimited: bool) -> None:
    seen = representation_of(headers, "x")
    assert (seen.length, seen.delimited) == (length, delimited)


def test_gzip_is_no_coding_of_a_file_that_is_called_so() -> None:
    assert representation_of({"Content-Encoding": "x-gzip"}, "disk.IMG.GZ").coding is None
    assert representation_of({"Content-Encoding": " GZIP "}, "disk.img").coding == "gzip"
    assert representation_of({"Content-Encoding": "zstd"}, "disk.img.gz").coding == "zstd"
    assert representation_of({"Content-Encoding": "identity"}, "disk.img").coding is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes 0-0/1", Part(0, 1, 1)),
        ("bytes 5-9/*", Part(5, 10, None)),
        ("bytes 5-4/10", None),
        ("bytes 5-10/10", None),
        ("bytes */10", None),
        ("bytes=5-9/10", None),
        ("items 5-9/10", None),
        ("", None),
    ],
)
def test_a_part_must_make_sense(text: str, part: Part | None) -> None:
    assert part_of({"Content-Range": text}) == part


def test_a_part_must_have_the_length_that_it_declares() -> None:
    assert part_of({"Content-Range": "bytes 0-9/10", "Content-Length": "10"}) == Part(0, 10, 10)
    assert part_of({"Content-Range": "bytes 0-9/10", "Content-Length": "11"}) is None


def test_another_length_or_validator_is_another_version() -> None:
    seen = Representation(10, '"a"', ranges=True, coding=None, delimited=True)
    assert is_same({"ETag": '"a"'}, seen, 10)
    assert is_same({}, seen, None)
    assert not is_same({"ETag": '"b"'}, seen, 10)
    assert not is_same({"ETag": '"a"'}, seen, 11)
    assert is_replaced(412, {})
    assert is_replaced(416, {"Content-Range": "bytes */5"})
    assert not is_replaced(416, {})
    assert not is_replaced(206, {})


@given(
    st.dictionaries(st.sampled_from(["ETag", "Date", "Last-Modified", "Content-Range", "Content-Length"]), st.text())
)
def test_any_headers_are_read(headers: dict[str, str]) -> None:
    seen = representation_of(headers, "disk.img")
    assert seen.length is None or seen.length >= 0
    part = part_of(headers)
    assert part is None or 0 <= part.start < part.end


def test_the_name_of_a_file_is_the_end_of_its_path() -> None:
    assert file_name(URL("http://mirror.example/a/disk%201.img?x=/y")) == "disk 1.img"
    assert file_name(URL("http://mirror.example/")) == ""
