import base64
import hashlib
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from stillage.api.image_v2.uploads import tus
from stillage.errors import InvalidInput, ProtocolUnknown

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1)


def asking(**headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", "/", headers=named)


def expected_of(**headers: str) -> Any:
    return tus._expected(asking(**headers))


@given(pairs=st.dictionaries(KEYS, st.binary()))
def test_metadata_is_read_as_it_is_written(pairs: dict[str, bytes]) -> None:
    sent = ",".join(f"{key} {base64.b64encode(value).decode()}".strip() for key, value in pairs.items())
    assert tus.metadata_of(sent) == pairs


@given(sent=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_metadata_is_read_or_refused(sent: str) -> None:
    with suppress(InvalidInput):
        assert isinstance(tus.metadata_of(sent), dict)


@pytest.mark.parametrize(
    "sent", ["a b c", "a YQ==,a YQ==", ",a YQ==", "a YQ==,,b YQ==", "a !", "ä YQ==", "a YQ", f"a {'A' * 4096}"]
)
def test_metadata_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="Upload-Metadata"):
        tus.metadata_of(sent)


def test_a_digest_in_the_metadata_is_declared_of_the_whole() -> None:
    digest = hashlib.sha256(b"image").hexdigest()
    coded = base64.b64encode(digest.upper().encode()).decode()
    sent = f"filename ZGlzay5pbWc=,sha256 {coded},empty"
    made = expected_of(upload_length="5", upload_metadata=sent)
    assert (made.size, made.digests, made.metadata) == (5, (("sha256", digest),), sent)
    with pytest.raises(InvalidInput, match="64 hex digits"):
        expected_of(upload_length="5", upload_metadata="sha256 YWJj")


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
        expected_of(**headers)
    assert expected_of(upload_defer_length="1").size is None
    assert expected_of(upload_length="0").size == 0


@pytest.mark.parametrize("name", sorted(tus.CHECKSUMS))
def test_a_checksum_is_read(name: str) -> None:
    digest = hashlib.new(name, b"piece")
    sent = f"{name} {base64.b64encode(digest.digest()).decode()}"
    assert tus._checksum(asking(upload_checksum=sent)) == ((name, digest.hexdigest()),)


@pytest.mark.parametrize("sent", ["", "sha1", "sha1 !", "crc32 AAAAAA==", "sha1 AAAA", "SHA1 AAAA"])
def test_a_checksum_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="Upload-Checksum"):
        tus._checksum(asking(upload_checksum=sent))


@pytest.mark.parametrize("version", ["", "0.2.2", "1.0.1", "1.0.0, 0.2.2"])
def test_another_version_is_not_spoken(version: str) -> None:
    with pytest.raises(ProtocolUnknown, match=r"1\.0\.0 is"):
        tus.begin(asking(tus_resumable=version))
