import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from stillage.api.image_v2.uploads import ietf
from stillage.api.image_v2.uploads.errors import as_ietf, as_ietf_of_whole
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
)


def described(error: StillageError) -> Problem:
    return problem_of(error, request_id="", identity_url="")


def asking(**headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("PUT", "/", headers=named)


@pytest.mark.parametrize("version", ["6", "7", "8", None])
@pytest.mark.parametrize("complete", ["?0", "?1"])
def test_a_request_with_upload_complete_opens_an_upload(version: str | None, complete: str) -> None:
    said = {} if version is None else {"upload_draft_interop_version": version}
    assert ietf.is_asked_for(asking(upload_complete=complete, **said))


@pytest.mark.parametrize("version", ["3", "5", "9", "x"])
def test_in_a_version_that_we_do_not_speak_the_whole_image_is_a_plain_upload(version: str) -> None:
    assert not ietf.is_asked_for(asking(upload_complete="?1", upload_draft_interop_version=version))
    assert not ietf.is_asked_for(asking(upload_incomplete="?0", upload_draft_interop_version=version))
    assert not ietf.is_asked_for(asking())


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
        ietf.is_asked_for(asking(**headers))


def test_all_that_is_said_of_the_size_must_agree() -> None:
    assert ietf._agreed(None, None) is None
    assert ietf._agreed(None, 5, None, 5) == 5
    with pytest.raises(SizeMismatch, match="expected 5 bytes, got 6"):
        ietf._agreed(5, None, 6)


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
    request = asking(upload_complete="?1")
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
