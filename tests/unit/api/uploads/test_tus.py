import base64
import hashlib
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from heads import head
from stillage.api.image_v2.uploads import tus
from stillage.api.image_v2.uploads.tus_headers import (
    CHECKSUMS,
    MEDIA_TYPE,
    checksum_of,
    expected_of,
    first_piece_of,
    metadata_of,
    piece_of,
)
from stillage.errors import InvalidInput, ProtocolUnknown, WrongMediaType
from stillage.images.upload import Piece

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1)


def asking(**headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", "/", headers=named)


def expected(**headers: str) -> Any:
    return expected_of(head(0, **headers))


@given(pairs=st.dictionaries(KEYS, st.binary()))
def test_metadata_is_read_as_it_is_written(pairs: dict[str, bytes]) -> None:
    sent = ",".join(f"{key} {base64.b64encode(value).decode()}".strip() for key, value in pairs.items())
    assert metadata_of(sent) == pairs


@given(sent=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_metadata_is_read_or_refused(sent: str) -> None:
    with suppress(InvalidInput):
        assert isinstance(metadata_of(sent), dict)


@pytest.mark.parametrize(
    "sent", ["a b c", "a YQ==,a YQ==", ",a YQ==", "a YQ==,,b YQ==", "a !", "ä YQ==", "a YQ", f"a {'A' * 4096}"]
)
def test_metadata_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="Upload-Metadata"):
        metadata_of(sent)


def test_a_digest_in_the_metadata_is_declared_of_the_whole() -> None:
    digest = hashlib.sha256(b"image").hexdigest()
    coded = base64.b64encode(digest.upper().encode()).decode()
    sent = f"filename ZGlzay5pbWc=,sha256 {coded},empty"
    made = expected(upload_length="5", upload_metadata=sent)
    assert (made.size, made.digests, made.metadata) == (5, (("sha256", digest),), sent)
    with pytest.raises(InvalidInput, match="64 hex digits"):
        expected(upload_length="5", upload_metadata="sha256 YWJj")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"upload_length": "5", "upload_defer_length": "1"},
        {"upload_defer_length": "2"},
        {"upload_length": "-5"},
        {"upload_length": "five"},
        {"upload_length": "9" * 19},
        {"upload_length": "5", "upload_concat": "partial"},
    ],
)
def test_an_upload_has_a_length_or_says_that_it_comes_later(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        expected(**headers)
    assert expected(upload_defer_length="1").size is None
    assert expected(upload_length="0").size == 0


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_a_checksum_is_read(name: str) -> None:
    digest = hashlib.new(name, b"piece")
    sent = f"{name} {base64.b64encode(digest.digest()).decode()}"
    assert checksum_of(head(upload_checksum=sent)) == ((name, digest.hexdigest()),)


@pytest.mark.parametrize("sent", ["", "sha1", "sha1 !", "crc32 AAAAAA==", "sha1 AAAA", "SHA1 AAAA"])
def test_a_checksum_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="Upload-Checksum"):
        checksum_of(head(upload_checksum=sent))


@pytest.mark.parametrize("version", ["", "0.2.2", "1.0.1", "1.0.0, 0.2.2"])
def test_another_version_is_not_spoken(version: str) -> None:
    with pytest.raises(ProtocolUnknown, match=r"use 1\.0\.0"):
        tus.begin(asking(tus_resumable=version))


def test_the_body_of_a_creation_is_the_first_piece_in_order() -> None:
    assert first_piece_of(head(0, upload_length="5")) is None
    headers = head(3, content_type=MEDIA_TYPE, upload_length="5")
    assert first_piece_of(headers) == Piece(0, 3, in_order=True)
    with pytest.raises(WrongMediaType):
        first_piece_of(head(3, content_type="application/octet-stream"))


def test_a_piece_needs_its_offset() -> None:
    assert piece_of(head(3, content_type=MEDIA_TYPE, upload_offset="2")) == Piece(2, 3, in_order=True)
    told = head(3, content_type=MEDIA_TYPE, upload_offset="2", upload_length="5")
    assert piece_of(told) == Piece(2, 3, 5, in_order=True)
    with pytest.raises(InvalidInput, match="Upload-Offset is missing"):
        piece_of(head(3, content_type=MEDIA_TYPE))
