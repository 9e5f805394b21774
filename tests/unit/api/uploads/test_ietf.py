import pytest
from aiohttp.test_utils import make_mocked_request

from heads import fields, head
from stillage.api.image_v2.uploads.errors import as_ietf, as_ietf_of_whole
from stillage.api.image_v2.uploads.ietf_headers import agreed, expected_of, first_piece_of, is_asked_for, piece_of
from stillage.api.image_v2.uploads.upload_request import WAS_WHOLE
from stillage.api.problems import Problem, problem_of
from stillage.errors import (
    ContentRejected,
    ImageTooLarge,
    InvalidInput,
    OffsetMismatch,
    PieceMismatch,
    SizeChanged,
    SizeMismatch,
    StillageError,
    UploadComplete,
    WrongMediaType,
)
from stillage.images.upload import Expected, Piece


def described(error: StillageError) -> Problem:
    return problem_of(error, request_id="", identity_url="")


@pytest.mark.parametrize("version", ["6", "7", "8", None])
@pytest.mark.parametrize("complete", ["?0", "?1"])
def test_a_request_with_upload_complete_opens_an_upload(version: str | None, complete: str) -> None:
    said = {} if version is None else {"upload_draft_interop_version": version}
    assert is_asked_for(fields(upload_complete=complete, **said))


@pytest.mark.parametrize("version", ["3", "5", "9", "x"])
def test_in_a_version_that_we_do_not_speak_the_whole_image_is_a_plain_upload(version: str) -> None:
    assert not is_asked_for(fields(upload_complete="?1", upload_draft_interop_version=version))
    assert not is_asked_for(fields(upload_incomplete="?0", upload_draft_interop_version=version))
    assert not is_asked_for(fields())


@pytest.mark.parametrize(
    "headers",
    [
        {"upload_complete": "?0", "upload_draft_interop_version": "5"},
        {"upload_incomplete": "?1", "upload_draft_interop_version": "3"},
        {"upload_complete": "0"},
        {"upload_complete": "false", "upload_draft_interop_version": "8"},
    ],
)
def test_a_part_is_never_taken_for_the_whole(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="Upload-Complete must be"):
        is_asked_for(fields(**headers))


def test_all_that_is_said_of_the_size_must_agree() -> None:
    assert agreed(None, None) is None
    assert agreed(None, 5, None, 5) == 5
    with pytest.raises(SizeMismatch, match="expected 5 bytes, got 6"):
        agreed(5, None, 6)


def test_the_body_of_a_creation_is_the_first_piece() -> None:
    headers = head(5, content_type="application/octet-stream", upload_complete="?1", repr_digest="sha-256=:AAAA:")
    piece = first_piece_of(headers)
    assert piece == Piece(0, 5, 5, last=True, in_order=True)
    assert expected_of(headers, piece) == Expected(5, (("sha256", "000000"),))
    part = first_piece_of(head(0, upload_complete="?0", upload_length="9"))
    assert part == Piece(0, 0, 9, in_order=True), "no media type without a body"
    with pytest.raises(WrongMediaType):
        first_piece_of(head(5, content_type="text/plain", upload_complete="?1"))


def test_a_piece_says_where_it_begins_and_whether_it_is_the_last() -> None:
    media_type = "application/partial-upload"
    last = head(5, content_type=media_type, upload_complete="?1", upload_offset="4")
    assert piece_of(last) == Piece(4, 5, 9, last=True, in_order=True)
    assert piece_of(head(None, content_type=media_type, upload_complete="?1", upload_offset="4")).size is None
    with pytest.raises(SizeMismatch):
        piece_of(head(5, content_type=media_type, upload_complete="?1", upload_offset="4", upload_length="8"))
    for missing in ({"upload_complete": "?1"}, {"upload_offset": "4"}):
        with pytest.raises(InvalidInput, match="the request needs"):
            piece_of(head(5, content_type=media_type, **missing))


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (OffsetMismatch(5, 7), 409, "mismatching-upload-offset"),
        (UploadComplete("u"), 400, "completed-upload"),
        (SizeChanged(5, 7), 400, "inconsistent-upload-length"),
        (SizeMismatch(5, 7), 400, "inconsistent-upload-length"),
    ],
)
def test_what_the_protocol_has_words_for_is_told_in_them(error: StillageError, status: int, name: str) -> None:
    problem = as_ietf(described(error))
    assert (problem.status, problem.members["status"]) == (status, status)
    assert problem.media_type == "application/problem+json"
    assert problem.members["type"] == f"https://iana.org/assignments/http-problem-types#{name}"
    assert problem.members["detail"] == str(error)


def test_a_wrong_offset_is_told_with_the_right_one() -> None:
    problem = as_ietf(described(OffsetMismatch(5, 7)))
    assert problem.headers["Upload-Offset"] == "5"
    assert (problem.members["expected-offset"], problem.members["provided-offset"]) == (5, 7)


def test_a_verdict_on_all_of_the_bytes_says_so() -> None:
    refused = described(ContentRejected("bad", rule="x.y"))
    request = make_mocked_request("PUT", "/", headers=fields(upload_complete="?1"))
    assert "Upload-Complete" not in as_ietf_of_whole(request, refused).headers, "not all of them have come"
    request[WAS_WHOLE] = True
    assert as_ietf_of_whole(request, refused).headers["Upload-Complete"] == "?1"
    assert "Upload-Complete" not in as_ietf(refused).headers
    for other in (PieceMismatch("sha256", "a", "b"), SizeMismatch(5, 7), OffsetMismatch(5, 7)):
        problem = described(other)
        assert "Upload-Complete" not in as_ietf_of_whole(request, problem).headers


def test_too_large_comes_with_the_limit() -> None:
    problem = as_ietf(described(ImageTooLarge(10, 11)))
    assert (problem.status, problem.headers["Upload-Limit"]) == (413, "max-size=10")
