from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from stillage.api.image_v2.uploads.pieces import Place, place_of
from stillage.errors import InvalidInput, SizeMismatch, WrongMediaType

BODY = Mock(spec=StreamReader, at_eof=lambda: False)  # there is one, for who asks


def put(content_range: str, **headers: str) -> web.Request:
    sent = CIMultiDict({"Content-Type": "application/octet-stream", "Content-Range": content_range})
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    return make_mocked_request("PUT", "/", headers=sent, payload=BODY)


@given(first=st.integers(0, 2**50), length=st.integers(1, 2**50), beyond=st.integers(0, 2**50))
def test_a_piece_is_where_its_head_says(first: int, length: int, beyond: int) -> None:
    last, size = first + length - 1, first + length + beyond
    request = put(f"bytes {first}-{last}/{size}", content_length=str(length))
    assert place_of(request) == Place(first, length, size)
    assert place_of(put(f"bytes {first}-{last}/*", content_length=str(length))) == Place(first, length, None)


def test_a_question_has_no_bytes() -> None:
    assert place_of(put("bytes */100")) == Place(None, 0, 100)
    with pytest.raises(InvalidInput, match="the body has 5"):
        place_of(put("bytes */100", content_length="5"))


@pytest.mark.parametrize(
    "content_range",
    ["", "bytes", "bytes 0-4", "0-4/5", "bytes=0-4/5", "bytes -4/5", "bytes 0-/5", "bytes a-b/5", "bytes */*",
     "bytes 0-4/5,5-9/10", "lines 0-4/5", "bytes 0-4/-5", f"bytes 0-4/{'9' * 19}"],
)  # fmt: skip
def test_what_is_no_range_is_refused(content_range: str) -> None:
    with pytest.raises(InvalidInput, match="Content-Range must be"):
        place_of(put(content_range, content_length="5"))


@pytest.mark.parametrize("content_range", ["bytes 5-4/10", "bytes 0-4/4", "bytes 4-4/4", "bytes 9-9/0"])
def test_bytes_that_cannot_be_are_refused(content_range: str) -> None:
    with pytest.raises(InvalidInput, match="names bytes that cannot be"):
        place_of(put(content_range))


def test_the_body_must_have_as_many_bytes_as_the_head_names() -> None:
    with pytest.raises(InvalidInput, match="names 5 bytes, and the body has 4"):
        place_of(put("bytes 0-4/5", content_length="4"))
    assert place_of(put("bytes 0-4/5", transfer_encoding="chunked")) == Place(0, 5, 5)


def test_zeros_that_are_only_named_need_no_body() -> None:
    assert place_of(put("bytes 0-4/5", content_length="0", upload_zeros="?1")) == Place(0, 5, 5)
    with pytest.raises(InvalidInput, match="the body has 5; 0 are needed"):
        place_of(put("bytes 0-4/5", content_length="5", upload_zeros="?1"))
    with pytest.raises(InvalidInput, match="the body has 0; 5 are needed"):
        place_of(put("bytes 0-4/5", content_length="0", upload_zeros="?0"))


def test_the_size_of_the_image_may_stand_in_its_own_header() -> None:
    assert place_of(put("bytes 0-4/*", content_length="5", x_openstack_image_size="9")) == Place(0, 5, 9)
    with pytest.raises(SizeMismatch):
        place_of(put("bytes 0-4/8", content_length="5", x_openstack_image_size="9"))


def test_a_piece_is_plain_bytes() -> None:
    with pytest.raises(WrongMediaType):
        place_of(put("bytes 0-4/5", content_length="5", content_type="text/plain"))
    with pytest.raises(WrongMediaType):
        place_of(put("bytes 0-4/5", content_length="5", content_encoding="gzip"))
