"""The IETF's protocol. What only the connection shows, interim responses above all, is in e2e."""

import asyncio
import re

import pytest

from image_api import Person, Town
from protocols import DATA, HALF, PARTIAL, Ietf, Pieces, base64_of, document, holds, path_of, queued
from stillage.api.image_v2.uploads import ietf

PROTOCOL = Ietf()
PROBLEM = "https://iana.org/assignments/http-problem-types#"


async def test_the_whole_image_in_one_request(erin: Person) -> None:
    for version in ({}, {"upload_draft_interop_version": "8"}, {"upload_draft_interop_version": "6"}):
        image_id = await queued(erin)
        answer = await erin.upload(image_id, DATA, upload_complete="?1", **version)
        assert (answer.status, answer.headers["upload-complete"]) == (204, "?1")
        await holds(erin, image_id)


async def test_a_part_opens_an_upload(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await erin.upload(image_id, DATA[:HALF], upload_complete="?0", upload_length=str(len(DATA)))
    assert (answer.status, answer.headers["upload-complete"]) == (201, "?0")
    assert answer.headers["upload-offset"] == str(HALF)
    assert answer.headers["upload-limit"].startswith(f"max-size={1 << 40}, max-age=")
    answer = await PROTOCOL.send(erin, path_of(answer), HALF, DATA[HALF:], last=True)
    assert (answer.status, answer.headers["upload-complete"]) == (204, "?1")
    await holds(erin, image_id)


async def test_an_upload_may_also_be_opened_where_uploads_are(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await erin("POST", f"/v2/images/{image_id}/uploads", b"", upload_complete="?0")
    assert answer.status == 201
    assert (await PROTOCOL.send(erin, path_of(answer), 0, DATA, last=True)).status == 204
    await holds(erin, image_id)


async def test_the_head_of_an_upload_is_all_that_the_protocol_wants(erin: Person) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), len(DATA))
    assert (await PROTOCOL.send(erin, path, 0, DATA[:HALF])).headers["upload-complete"] == "?0"
    answer = await erin("HEAD", path)
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(HALF))
    assert (answer.headers["upload-complete"], answer.headers["upload-length"]) == ("?0", str(len(DATA)))
    assert answer.headers["cache-control"] == "no-store"
    limits = dict(item.split("=") for item in answer.headers["upload-limit"].split(", "))
    assert int(limits["max-size"]) == 1 << 40
    assert 0 < int(limits["max-age"]) <= 7 * 24 * 3600


async def test_the_end_may_be_said_in_a_request_of_its_own(erin: Person) -> None:
    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id)
    assert (await PROTOCOL.send(erin, path, 0, DATA)).status == 204
    assert (await erin("HEAD", path)).headers["upload-complete"] == "?0"
    answer = await PROTOCOL.send(erin, path, len(DATA), b"", last=True)
    assert (answer.status, answer.headers["upload-complete"]) == (204, "?1")
    assert (await erin("HEAD", path)).headers["upload-complete"] == "?1"
    await holds(erin, image_id)
    assert (await PROTOCOL.send(erin, path, len(DATA), b"", last=True)).status == 204, "an answer may have been lost"


async def test_nothing_more_is_taken_after_the_end(erin: Person) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), len(DATA))
    assert (await PROTOCOL.send(erin, path, 0, DATA, last=True)).status == 204
    answer = await PROTOCOL.send(erin, path, len(DATA), b"more", last=True)
    assert (answer.status, answer.json["type"]) == (400, f"{PROBLEM}inconsistent-upload-length")
    answer = await PROTOCOL.send(erin, path, 0, b"", last=True)
    assert (answer.status, answer.json["type"]) == (400, f"{PROBLEM}completed-upload")


async def test_a_piece_that_does_not_begin_where_the_upload_stands_is_refused(erin: Person) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), len(DATA))
    assert (await PROTOCOL.send(erin, path, 0, DATA[:HALF])).status == 204
    for first in (0, HALF - 1, HALF + 1):
        answer = await PROTOCOL.send(erin, path, first, DATA[first : first + 5])
        assert (answer.status, answer.headers["upload-offset"]) == (409, str(HALF))
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json["type"] == f"{PROBLEM}mismatching-upload-offset"
        assert answer.json["error"]["stillage_code"] == "offset_mismatch"
        assert (answer.json["expected-offset"], answer.json["provided-offset"]) == (HALF, first)
        assert answer.json["error"]["code"] == 409


async def test_lengths_that_contradict_one_another_are_refused(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await erin.upload(image_id, DATA, upload_complete="?1", upload_length="5")
    assert (answer.status, answer.json["type"]) == (400, f"{PROBLEM}inconsistent-upload-length")
    assert (await erin.show(image_id))["status"] == "queued"
    path = await PROTOCOL.open(erin, image_id, len(DATA))
    for answer in (
        await PROTOCOL.send(erin, path, 0, DATA[:5], last=True),
        await PROTOCOL.send(erin, path, 0, DATA[:5], size=6),
        await PROTOCOL.send(erin, path, 0, DATA, size=6, last=True),
    ):
        assert (answer.status, answer.json["type"]) == (400, f"{PROBLEM}inconsistent-upload-length")
    assert (await document(erin, path))["received"] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"upload_offset": "-1"}, 400),
        ({"upload_offset": "x"}, 400),
        ({"upload_complete": "1"}, 400),
        ({"upload_complete": ""}, 400),
        ({"content_encoding": "gzip"}, 415),
    ],
)
async def test_a_piece_that_cannot_be_is_refused(erin: Person, headers: dict[str, str], status: int) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), 5)
    sent = {"upload_offset": "0", "upload_complete": "?0", "content_type": PARTIAL, **headers}
    assert (await erin("PATCH", path, b"12345", **sent)).status == status
    assert (await document(erin, path))["received"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"upload_complete": "?0", "upload_draft_interop_version": "5"},
        {"upload_incomplete": "?1", "upload_draft_interop_version": "3"},
        {"upload_complete": "no"},
    ],
)
async def test_a_part_is_never_taken_for_the_whole(erin: Person, headers: dict[str, str]) -> None:
    image_id = await queued(erin)
    assert (await erin.upload(image_id, DATA[:HALF], **headers)).status == 400
    assert (await erin.show(image_id))["status"] == "queued"


async def test_a_version_that_is_not_spoken_is_a_plain_upload(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await erin.upload(image_id, DATA, upload_complete="?1", upload_draft_interop_version="5")
    assert answer.status == 204
    assert "upload-complete" not in answer.headers
    await holds(erin, image_id)


async def test_a_verdict_on_all_of_the_bytes_says_that_all_of_them_came(erin: Person) -> None:
    image_id = await queued(erin, disk_format="qcow2")
    answer = await erin.upload(image_id, DATA, upload_complete="?1")
    assert (answer.status, answer.headers["upload-complete"]) == (415, "?1")
    answer = await erin.upload(await queued(erin), DATA[:HALF], upload_complete="?0")
    answer = await erin("PATCH", path_of(answer), b"", upload_offset="0", upload_complete="?1", content_type=PARTIAL)
    assert answer.status == 409
    assert "upload-complete" not in answer.headers


async def test_digests_of_the_whole_and_of_the_piece_are_verified(erin: Person) -> None:
    good, bad = (f"sha-512=:{base64_of('sha512', data)}:" for data in (DATA, b"other"))
    image_id = await queued(erin)
    answer = await erin.upload(image_id, DATA, upload_complete="?1", repr_digest=bad)
    assert (answer.status, answer.headers["upload-complete"]) == (400, "?1")
    assert (await erin.show(image_id))["status"] == "queued"
    answer = await erin.upload(image_id, DATA, upload_complete="?1", content_digest=bad)
    assert answer.status == 400
    assert "upload-complete" not in answer.headers
    for upload in (await erin("GET", f"/v2/images/{image_id}/uploads")).json["uploads"]:
        assert upload["received"] == 0
        await erin("DELETE", upload["url"])
    answer = await erin.upload(image_id, DATA, upload_complete="?1", repr_digest=good, content_digest=good)
    assert answer.status == 204
    await holds(erin, image_id)


async def test_an_upload_goes_on_through_another_protocol(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await erin.upload(image_id, DATA[:HALF], upload_complete="?0", upload_length=str(len(DATA)))
    assert (await Pieces().send(erin, path_of(answer), HALF + 100, DATA[HALF + 100 :], size=len(DATA))).status == 202
    answer = await PROTOCOL.send(erin, path_of(answer), HALF, DATA[HALF : HALF + 100])
    assert answer.status == 204
    await holds(erin, image_id)


async def test_who_sends_hears_now_and_then_how_much_is_safe(
    town: Town, erin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ietf, "REPORT_EVERY_S", 0.01)
    image_id = await queued(erin)
    size = 3 << 20
    head = "\r\n".join(
        [
            f"PUT /v2/images/{image_id}/file HTTP/1.1",
            f"Host: {town.url.partition('://')[2]}",
            f"X-Auth-Token: {erin.token}",
            "Content-Type: application/octet-stream",
            f"Content-Length: {size}",
            "Upload-Complete: ?1",
            "Upload-Draft-Interop-Version: 8",
            "",
            "",
        ]
    )
    host, _, port = town.url.partition("://")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(60):
            writer.write(head.encode())
            first = await reader.readuntil(b"\r\n\r\n")
            assert first.startswith(b"HTTP/1.1 104 Upload Resumption Supported\r\n")
            assert b"Location: http" in first
            writer.write(bytes(size - 1))
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.startswith(b"HTTP/1.1 104 ")
            assert b"Location" not in told
            assert re.search(rb"Upload-Offset: [1-9]", told)
            writer.write(b"\0")
            while (answer := await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 104 "):
                assert b"Upload-Offset" in answer
            assert answer.startswith(b"HTTP/1.1 204 ")
    finally:
        writer.close()
        await writer.wait_closed()
    await holds(erin, image_id, bytes(size))
