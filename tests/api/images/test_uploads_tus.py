"""The protocol tus 1.0.0."""

import base64
import hashlib

import pytest

from image_api import Person
from protocols import DATA, HALF, OFFSET_OCTETS, TUS, Tus, base64_of, document, holds, path_of, queued
from server import Answer

PROTOCOL = Tus()


async def create(person: Person, image_id: str, data: bytes | None = None, /, **headers: str) -> Answer:
    if data is not None:
        headers.setdefault("content_type", OFFSET_OCTETS)
    answer = await person("POST", f"/v2/images/{image_id}/uploads", data, **TUS | headers)
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer


async def test_creation_says_where_and_until_when(erin: Person) -> None:
    answer = await create(erin, await queued(erin), upload_length="5")
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["location"].startswith("http://127.0.0.1:")
    assert answer.headers["upload-expires"] == "Fri, 09 Jan 2026 03:04:05 GMT"


async def test_the_head_of_an_upload_is_all_that_tus_wants(erin: Person) -> None:
    metadata = f"filename {base64.b64encode(b'disk.img').decode()},empty"
    path = path_of(await create(erin, await queued(erin), upload_length="5", upload_metadata=metadata))
    answer = await erin("HEAD", path, **TUS)
    assert answer.status == 200
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("0", "5")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["upload-metadata"] == metadata
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert "upload-expires" in answer.headers


async def test_an_upload_without_a_length_says_so(erin: Person) -> None:
    path = path_of(await create(erin, await queued(erin), upload_defer_length="1"))
    answer = await erin("HEAD", path, **TUS)
    assert answer.headers["upload-defer-length"] == "1"
    assert "upload-length" not in answer.headers


async def test_creation_takes_the_first_bytes(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await create(erin, image_id, DATA[:HALF], upload_length=str(len(DATA)))
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(HALF))
    answer = await PROTOCOL.send(erin, path_of(answer), HALF, DATA[HALF:])
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(len(DATA)))
    await holds(erin, image_id)


async def test_creation_takes_all_bytes(erin: Person) -> None:
    image_id = await queued(erin)
    checksum = f"sha256 {base64_of('sha256', DATA)}"
    answer = await create(erin, image_id, DATA, upload_length=str(len(DATA)), upload_checksum=checksum)
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(len(DATA)))
    await holds(erin, image_id)


async def test_creation_with_bytes_of_another_kind_is_refused(erin: Person) -> None:
    answer = await create(erin, await queued(erin), b"12345", upload_length="5", content_type="text/plain")
    assert answer.status == 415


async def test_an_empty_image_is_complete_when_it_is_created(erin: Person) -> None:
    image_id = await queued(erin)
    assert (await create(erin, image_id, upload_length="0")).status == 201
    await holds(erin, image_id, b"")


async def test_the_digest_in_the_metadata_is_verified_of_the_whole(erin: Person) -> None:
    for digest, status in ((hashlib.sha256(DATA), 204), (hashlib.sha256(b"other"), 400)):
        image_id = await queued(erin)
        metadata = f"sha256 {base64.b64encode(digest.hexdigest().encode()).decode()}"
        answer = await create(erin, image_id, upload_length=str(len(DATA)), upload_metadata=metadata)
        assert (await PROTOCOL.send(erin, path_of(answer), 0, DATA)).status == status
        assert (await erin.show(image_id))["status"] == ("active" if status == 204 else "queued")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"upload_length": "5", "upload_defer_length": "1"},
        {"upload_length": "-1"},
        {"upload_length": "5", "upload_metadata": "sha256 !"},
        {"upload_length": "5", "upload_concat": "partial"},
    ],
)
async def test_a_creation_that_cannot_be_opens_nothing(erin: Person, headers: dict[str, str]) -> None:
    image_id = await queued(erin)
    assert (await create(erin, image_id, **headers)).status == 400
    assert (await erin.show(image_id))["status"] == "queued"


@pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "2.0.0", ""])
async def test_another_version_is_not_spoken(erin: Person, version: str) -> None:
    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id, 5)
    for method, address in (
        ("POST", f"/v2/images/{image_id}/uploads"),
        ("HEAD", path),
        ("PATCH", path),
        ("DELETE", path),
    ):
        answer = await erin(method, address, tus_resumable=version, upload_length="5", upload_offset="0")
        assert (answer.status, answer.headers["tus-version"]) == (412, "1.0.0")
        assert answer.headers["tus-resumable"] == "1.0.0"
    assert (await erin("PATCH", path, b"12345", content_type=OFFSET_OCTETS, upload_offset="0")).status == 412
    assert (await document(erin, path))["received"] == 0


async def test_a_piece_that_does_not_begin_where_the_upload_stands_is_refused(erin: Person) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), len(DATA))
    assert (await PROTOCOL.send(erin, path, 0, DATA[:HALF])).status == 204
    for first in (0, HALF - 1, HALF + 1, len(DATA)):
        answer = await PROTOCOL.send(erin, path, first, DATA[first : first + 5])
        assert (answer.status, answer.headers["upload-offset"]) == (409, str(HALF))
        assert (answer.json["error"]["expected"], answer.json["error"]["given"]) == (HALF, first)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"upload_offset": ""}, 400),
        ({"upload_offset": "-1"}, 400),
        ({"upload_offset": "zero"}, 400),
        ({"upload_checksum": "crc32 AAAAAA=="}, 400),
        ({"upload_checksum": "sha1"}, 400),
        ({"upload_length": "x"}, 400),
        ({"content_type": "application/octet-stream"}, 415),
        ({"content_encoding": "gzip"}, 415),
    ],
)
async def test_a_piece_that_cannot_be_is_refused(erin: Person, headers: dict[str, str], status: int) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), 5)
    sent = {"upload_offset": "0", "content_type": OFFSET_OCTETS, **TUS, **headers}
    answer = await erin("PATCH", path, b"12345", **sent)
    assert answer.status == status, answer.body
    assert (await document(erin, path))["received"] == 0


async def test_a_wrong_checksum_has_a_status_of_its_own(erin: Person) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), 5)
    answer = await PROTOCOL.send(erin, path, 0, b"12345", digest_of=b"54321")
    assert answer.status == 460
    assert (answer.json["error"]["code"], answer.json["error"]["title"]) == (460, "Checksum Mismatch")
    assert answer.json["error"]["stillage_code"] == "piece_digest_mismatch"
    assert "sha1" in answer.message


async def test_a_client_without_the_methods_names_them(erin: Person) -> None:
    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id, len(DATA))
    sent = {"upload_offset": "0", "content_type": OFFSET_OCTETS, "x_http_method_override": "PATCH", **TUS}
    answer = await erin("POST", path, DATA[:HALF], **sent)
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(HALF))
    assert (await erin("POST", path, **TUS, x_http_method_override="GET")).status == 400
    assert (await erin("POST", path, **TUS)).status == 400
    assert (await erin("POST", path, **TUS, x_http_method_override="DELETE")).status == 204
    assert (await erin.show(image_id))["status"] == "queued"
