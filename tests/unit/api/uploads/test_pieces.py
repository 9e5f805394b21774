import pytest
from hypothesis import given
from hypothesis import strategies as st

from heads import head
from stillage.api.image_v2.upload_headers import UploadHeaders
from stillage.api.image_v2.uploads.piece_headers import Question, piece_of
from stillage.errors import InvalidInput, SizeMismatch, WrongMediaType
from stillage.images.upload import Piece


def put(content_range: str, length: int | None = None, **headers: str) -> UploadHeaders:
    return head(length, **{"content_type": "application/octet-stream", "content_range": content_range} | headers)


@given(first=st.integers(0, 2**50), length=st.integers(1, 2**50), beyond=st.integers(0, 2**50))
def test_a_piece_is_where_its_head_says(first: int, length: int, beyond: int) -> None:
    last, size = first + length - 1, first + length + beyond
    headers = put(f"bytes {first}-{last}/{size}", length=length)
    assert piece_of(headers) == Piece(first, length, size)
    assert piece_of(put(f"bytes {first}-{last}/*", length=length)) == Piece(first, length, None)


def test_a_question_has_no_bytes() -> None:
    assert piece_of(put("bytes */100")) == Question(100)
    with pytest.raises(InvalidInput, match="the body has 5"):
        piece_of(put("bytes */100", length=5))


@pytest.mark.parametrize(
    "content_range",
    ["", "bytes", "bytes 0-4", "0-4/5", "bytes=0-4/5", "bytes -4/5", "bytes 0-/5", "bytes a-b/5", "bytes */*",
     "bytes 0-4/5,5-9/10", "lines 0-4/5", "bytes 0-4/-5", f"bytes 0-4/{'9' * 19}"],
)  # fmt: skip
def test_what_is_no_range_is_refused(content_range: str) -> None:
    with pytest.raises(InvalidInput, match="Content-Range must be"):
        piece_of(put(content_range, length=5))


@pytest.mark.parametrize("content_range", ["bytes 5-4/10", "bytes 0-4/4", "bytes 4-4/4", "bytes 9-9/0"])
def test_bytes_that_cannot_be_are_refused(content_range: str) -> None:
    with pytest.raises(InvalidInput, match="is not valid"):
        piece_of(put(content_range))


def test_the_body_must_have_as_many_bytes_as_the_head_names() -> None:
    with pytest.raises(InvalidInput, match="names 5 bytes, but the body has 4"):
        piece_of(put("bytes 0-4/5", length=4))
    assert piece_of(put("bytes 0-4/5")) == Piece(0, 5, 5)


def test_zeros_that_are_only_named_need_no_body() -> None:
    assert piece_of(put("bytes 0-4/5", length=0, upload_zeros="?1")) == Piece(0, 5, 5, zeros=True)
    with pytest.raises(InvalidInput, match="the body has 5; send 0"):
        piece_of(put("bytes 0-4/5", length=5, upload_zeros="?1"))
    with pytest.raises(InvalidInput, match="the body has 0; send 5"):
        piece_of(put("bytes 0-4/5", length=0, upload_zeros="?0"))


def test_the_size_of_the_image_may_stand_in_its_own_header() -> None:
    assert piece_of(put("bytes 0-4/*", length=5, x_openstack_image_size="9")) == Piece(0, 5, 9)
    with pytest.raises(SizeMismatch):
        piece_of(put("bytes 0-4/8", length=5, x_openstack_image_size="9"))


def test_a_piece_is_plain_bytes() -> None:
    with pytest.raises(WrongMediaType):
        piece_of(put("bytes 0-4/5", length=5, content_type="text/plain"))
    with pytest.raises(WrongMediaType):
        piece_of(put("bytes 0-4/5", length=5, content_encoding="gzip"))
