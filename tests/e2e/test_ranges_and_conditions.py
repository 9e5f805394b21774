"""Downloads of a part (``Range``) and on a condition (``If-Match``, ``If-None-Match``, ``If-Range``)."""

import hashlib

import pytest

from aftermath import OCTETS
from rude import Rude, request
from server import Server

HARMLESS = ("content-disposition", "content-security-policy")

DATA = bytes(range(256)) * 40
SIZE = len(DATA)


@pytest.fixture
def image(server: Server, images: dict[str, str]) -> str:
    """The id of an image with `DATA`."""
    if server.url not in images:
        images[server.url] = server.stored(DATA)
    return images[server.url]


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return {}


@pytest.fixture
def etag(server: Server, image: str) -> str:
    return server.api("HEAD", f"/v2/images/{image}/file").headers["etag"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=100-", 100, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-100", SIZE - 100, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
        ("bytes=0-999999999", 0, SIZE - 1),
        (f"bytes=0-{SIZE - 1}", 0, SIZE - 1),
        ("BYTES=100-199", 100, 199),
        (f"bytes=5-{'9' * 30}", 5, SIZE - 1),
    ],
)
def test_one_range_is_answered_with_that_part(server: Server, image: str, asked: str, first: int, last: int) -> None:
    answer = server.download(image, range=asked)
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.body == DATA[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_answered_with_the_size(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert f"{SIZE} bytes" in answer.message


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=", "bytes=a-b", "bytes 0-5", "0-5", "bytes=--5"])
def test_what_is_no_range_is_refused_as_glance_does(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["items=0-5", "seconds=1-2"])
def test_a_range_in_units_that_nobody_knows_is_ignored(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert (answer.status, answer.body) == (200, DATA)


@pytest.mark.parametrize("asked", ["bytes=0-0,5-9", "bytes=0-0, -1", "bytes=999999999-, 0-5"])
def test_several_ranges_are_answered_with_everything(server: Server, image: str, asked: str) -> None:
    answer = server.download(image, range=asked)
    assert (answer.status, answer.body) == (200, DATA)
    assert "content-range" not in answer.headers


def test_a_download_names_its_bytes(server: Server, image: str) -> None:
    answer = server.download(image)
    assert answer.status == 200
    assert answer.body == DATA
    assert answer.headers["etag"] == f'"{hashlib.sha512(DATA).hexdigest()}"'
    assert answer.headers["content-md5"] == hashlib.md5(DATA).hexdigest()
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == OCTETS
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_part_names_the_whole(server: Server, image: str) -> None:
    whole, part = server.download(image).headers, server.download(image, range="bytes=5-9").headers
    for name in ("etag", "content-md5", "accept-ranges", "content-type", *HARMLESS, "x-content-type-options"):
        assert part[name] == whole[name]


@pytest.mark.parametrize("asked", [None, "bytes=5-9", "bytes=999999999-"])
def test_head_describes_the_whole_and_ranges_do_not_apply_to_it(server: Server, image: str, asked: str | None) -> None:
    with Rude(server) as client:
        path, token = f"/v2/images/{image}/file", server.token()
        ranged = {"range": asked} if asked else {}
        client.send(request("HEAD", path, x_auth_token=token, **ranged), request("GET", path, x_auth_token=token))
        head, get = client.answer(to="HEAD"), client.answer()
    assert head.status == 200
    kept = ("etag", "content-md5", "accept-ranges", "content-type", "content-length", *HARMLESS)
    assert {name: head.headers[name] for name in kept} == {name: get.headers[name] for name in kept}
    assert get.body == DATA


def test_if_none_match_saves_the_transfer(server: Server, image: str, etag: str) -> None:
    for listed in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = server.download(image, if_none_match=listed)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
    assert server.download(image, if_none_match='"other"').body == DATA


def test_if_none_match_comes_before_the_range(server: Server, image: str, etag: str) -> None:
    assert server.download(image, if_none_match=etag, range="bytes=5-9").status == 304
    assert server.download(image, if_none_match='"other"', range="bytes=5-9").body == DATA[5:10]


def test_if_match_compares_strongly(server: Server, image: str, etag: str) -> None:
    for listed in (etag, f'"other", {etag}', "*"):
        assert server.download(image, if_match=listed).body == DATA
    for listed in ('"other"', f"W/{etag}"):
        assert server.download(image, if_match=listed).status == 412


def test_if_match_comes_before_everything_else(server: Server, image: str, etag: str) -> None:
    answer = server.download(image, if_match='"other"', if_none_match=etag, range="bytes=5-9")
    assert answer.status == 412


def test_if_range_takes_the_part_only_of_the_same_bytes(server: Server, image: str, etag: str) -> None:
    assert server.download(image, if_range=etag, range="bytes=5-9").status == 206
    for other in ('"other"', f"W/{etag}", "Sat, 29 Oct 2044 19:43:31 GMT"):
        answer = server.download(image, if_range=other, range="bytes=5-9")
        assert (answer.status, answer.body) == (200, DATA)
    assert server.download(image, if_range='"other"', range="bytes=999999999-").status == 200
    assert server.download(image, if_range=etag).status == 200


def test_dates_do_not_matter_where_there_is_none(server: Server, image: str) -> None:
    past, future = "Sat, 29 Oct 1994 19:43:31 GMT", "Sat, 29 Oct 2044 19:43:31 GMT"
    assert server.download(image, if_modified_since=future).status == 200
    assert server.download(image, if_unmodified_since=past).status == 200


def test_the_same_conditions_hold_for_head(server: Server, image: str, etag: str) -> None:
    path = f"/v2/images/{image}/file"
    assert server.api("HEAD", path, if_none_match=etag).status == 304
    assert server.api("HEAD", path, if_match='"other"').status == 412


def test_an_empty_image_has_no_part(server: Server) -> None:
    image_id = server.stored(b"")
    assert server.download(image_id).status == 200
    answer = server.download(image_id, range="bytes=0-")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */0")
