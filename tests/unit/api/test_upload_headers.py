"""What the head of an upload says, whatever protocol it speaks."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heads import head
from stillage.errors import InvalidInput, WrongMediaType

MD5 = "0123456789abcdef0123456789abcdef"
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126))


def test_digests_of_the_body_and_of_the_image_are_kept_apart() -> None:
    sent = base64.b64encode(b"abc").decode()
    headers = head(5, content_digest=f"sha-256=:{sent}:, unixsum=:{sent}:", repr_digest=f"sha-512=:{sent}:")
    assert headers.digests == (("sha256", "616263"),)
    assert headers.image_digests == (("sha512", "616263"),)


@pytest.mark.parametrize("sent", [MD5, MD5.upper(), base64.b64encode(bytes.fromhex(MD5)).decode()])
def test_an_md5_may_be_hex_as_well(sent: str) -> None:
    assert head(content_md5=sent).digests == (("md5", MD5),)


@given(size=TEXT, digest=TEXT)
def test_any_head_is_read_or_refused(size: str, digest: str) -> None:
    with suppress(InvalidInput):
        headers = head(x_openstack_image_size=size, content_md5=digest, content_digest=digest)
        assert headers.image_size is not None


@pytest.mark.parametrize("size", ["", "-1", "1.5", "\u0661", "9" * 19])
def test_a_size_is_a_number_of_bytes(size: str) -> None:
    with pytest.raises(InvalidInput, match="must be a number of bytes"):
        head(x_openstack_image_size=size)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"content_type": "text/plain"}, WrongMediaType),
        ({"content_type": "application/octet-stream", "content_encoding": "gzip"}, WrongMediaType),
        ({"content_type": "application/octet-stream", "transfer_encoding": "gzip, chunked"}, InvalidInput),
    ],
)
def test_a_body_is_bytes_as_they_are(headers: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        head(None, **headers).require_octets()
