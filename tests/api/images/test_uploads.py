"""Resumable uploads: what is the same over every protocol, and the resource itself."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from fakes import Clock
from image_api import Person, Town
from protocols import DATA, HALF, PROTOCOLS, Pieces, UploadProtocol, base64_of, document, holds, path_of, queued, there
from samples import load
from stillage.api.image_v2.uploads.upload_request import nothing
from stillage.api.services import SERVICES
from stillage.errors import UploadComplete
from stillage.images.upload import Piece


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> UploadProtocol:
    made: UploadProtocol = request.param
    return made


@pytest.fixture
def nobody(town: Town) -> Person:
    """Somebody without a token that is worth anything."""
    return Person(town.session, "", "")


# Every protocol


async def test_an_upload_in_two_pieces_makes_an_image(erin: Person, nobody: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await erin.show(image_id))["status"] == "saving"
    assert (await protocol.send(nobody, path, 0, DATA[:HALF])).status in (202, 204)
    assert await protocol.stands_at(nobody, path) == HALF
    assert (await erin.show(image_id))["status"] == "saving"
    assert (await protocol.send(nobody, path, HALF, DATA[HALF:], last=True)).status == 204
    await holds(erin, image_id)


async def test_the_size_may_be_told_with_the_last_piece(erin: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id)
    assert (await document(erin, path))["size"] is None
    assert (await protocol.send(erin, path, 0, DATA[:HALF])).status in (202, 204)
    assert (await document(erin, path))["size"] is None
    assert (await protocol.send(erin, path, HALF, DATA[HALF:], last=True)).status == 204
    await holds(erin, image_id)


async def test_who_lost_the_last_answer_finds_out_that_all_is_well(
    erin: Person, nobody: Person, protocol: UploadProtocol
) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await protocol.send(nobody, path, 0, DATA, last=True)).status == 204
    assert await protocol.stands_at(nobody, path) == len(DATA)
    found = await document(nobody, path)
    assert (found["complete"], found["offset"], found["size"]) == (True, len(DATA), len(DATA))
    await holds(erin, image_id)


async def test_who_asks_in_the_moment_of_completion_hears_of_it(
    town: Town, erin: Person, protocol: UploadProtocol
) -> None:
    uploads = town.application[SERVICES].uploads
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    before = await uploads.find(None, image_id, path.rpartition("/")[2])
    assert (await protocol.send(erin, path, 0, DATA, last=True)).status == 204
    assert (await uploads.settle(before)).complete
    with pytest.raises(UploadComplete):
        await uploads.receive(before, Piece(0, 5), nothing())


async def test_what_came_of_a_piece_that_broke_off_stays(town: Town, erin: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))

    received = town.application[SERVICES].metrics.received._value

    async def broken() -> AsyncIterator[bytes]:
        yield DATA[:HALF]
        while received.get() < HALF:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)
        raise OSError("the network blinks")

    with pytest.raises(OSError, match="write request body"):
        await protocol.send(erin, path, 0, broken(), size=len(DATA), length=str(len(DATA)))
    assert await there(erin, path, HALF) == HALF
    assert (await erin.show(image_id))["status"] == "saving"
    assert (await protocol.send(erin, path, HALF, DATA[HALF:], last=True)).status == 204
    await holds(erin, image_id)


async def test_another_size_than_before_is_refused(erin: Person, protocol: UploadProtocol) -> None:
    path = await protocol.open(erin, await queued(erin), len(DATA))
    answer = await protocol.send(erin, path, 0, DATA[:HALF], size=len(DATA) + 1)
    assert answer.status == protocol.resized, answer.body
    assert str(len(DATA)) in answer.message
    assert (await document(erin, path))["received"] == 0


async def test_bytes_beyond_the_end_are_refused(erin: Person, protocol: UploadProtocol) -> None:
    path = await protocol.open(erin, await queued(erin), HALF)
    answer = await protocol.send(erin, path, 0, DATA[: HALF + 1])
    assert answer.status == 400, answer.body
    assert (await document(erin, path))["received"] == 0


async def test_a_piece_whose_digest_lies_does_not_count(erin: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    answer = await protocol.send(erin, path, 0, DATA[:HALF], digest_of=b"other bytes")
    assert answer.status == protocol.lying, answer.body
    assert "error" in answer.json
    assert (await document(erin, path))["received"] == 0
    assert (await protocol.send(erin, path, 0, DATA[:HALF], digest_of=DATA[:HALF])).status in (202, 204)
    assert (await protocol.send(erin, path, HALF, DATA[HALF:], digest_of=DATA[HALF:], last=True)).status == 204
    await holds(erin, image_id)


async def test_the_newer_of_two_clients_goes_on(town: Town, erin: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    received = town.application[SERVICES].metrics.received._value
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield DATA[:100]
        await go_on.wait()
        for at in range(100, len(DATA), 100):
            yield DATA[at : at + 100]
            await asyncio.sleep(0)

    older = asyncio.create_task(protocol.send(erin, path, 0, slow(), size=len(DATA), length=str(len(DATA))))
    async with asyncio.timeout(60):
        while received.get() < 100:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)
    at = await protocol.stands_at(erin, path)
    newer = await protocol.send(erin, path, at, DATA[at:], last=True)
    assert newer.status == 204, newer.body
    go_on.set()
    with suppress(OSError):  # it may be cut off before it can read the answer
        assert (await older).status in (409, 410)
    await holds(erin, image_id)


async def test_an_abandoned_upload_leaves_the_image_queued(
    erin: Person, nobody: Person, protocol: UploadProtocol
) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await protocol.send(nobody, path, 0, DATA[:HALF])).status in (202, 204)
    assert (await nobody("DELETE", path)).status == 204
    assert (await erin.show(image_id))["status"] == "queued"
    answer = await protocol.send(nobody, path, HALF, DATA[HALF:])
    assert answer.status == 410, answer.body
    assert (await nobody("HEAD", path)).status == 410
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await protocol.send(nobody, path, 0, DATA, last=True)).status == 204
    await holds(erin, image_id)


async def test_an_upload_of_a_deleted_image_is_gone(erin: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await erin("DELETE", f"/v2/images/{image_id}")).status == 204
    answer = await protocol.send(erin, path, 0, DATA)
    assert answer.status == 410, answer.body


async def test_a_hostile_image_is_refused_as_soon_as_its_beginning_shows_it(
    erin: Person, protocol: UploadProtocol
) -> None:
    image_id = await queued(erin, disk_format="qcow2")
    hostile = load("qcow2-v3-backing.qcow2")
    path = await protocol.open(erin, image_id, len(hostile) + 10)
    answer = await protocol.send(erin, path, 0, hostile)
    if answer.status < 300:  # the verdict may come a moment later
        answer = await protocol.send(erin, path, len(hostile), b"x" * 10, last=True)
    assert answer.status in (415, 410), answer.body
    image = await erin.show(image_id)
    assert image["status"] == "queued"
    assert "backing" in image["os_stillage_reason"]


async def test_nobody_else_finds_the_upload(erin: Person, olga: Person, rita: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    by_id = f"/v2/images/{image_id}/uploads/{(await document(erin, path))['id']}"
    assert (await protocol.send(olga, by_id, 0, DATA)).status == 404
    assert (await protocol.send(rita, by_id, 0, DATA)).status == 403
    assert (await olga("GET", by_id)).status == 404
    assert (await olga("DELETE", by_id)).status == 404
    assert (await protocol.send(erin, by_id, 0, DATA, last=True)).status == 204
    await holds(erin, image_id)


async def test_a_capability_is_good_for_its_own_upload_alone(
    erin: Person, nobody: Person, protocol: UploadProtocol
) -> None:
    first, second = await queued(erin), await queued(erin)
    path, other = await protocol.open(erin, first, len(DATA)), await protocol.open(erin, second, len(DATA))
    upload_id, _, secret = path.rpartition("/")[2].partition(".")
    other_id, _, other_secret = other.rpartition("/")[2].partition(".")
    for forged in (
        f"/v2/images/{second}/uploads/{upload_id}.{secret}",
        f"/v2/images/{first}/uploads/{upload_id}.{other_secret}",
        f"/v2/images/{second}/uploads/{other_id}.{secret}",
        f"/v2/images/{first}/uploads/{upload_id}.",
        f"/v2/images/{first}/uploads/{upload_id}.{secret[:-1]}",
        f"/v2/images/{first}/uploads/{upload_id}.{secret}x",
        f"/v2/images/{first}/uploads/{uuid4()}.{secret}",
    ):
        answer = await protocol.send(nobody, forged, 0, DATA)
        assert answer.status == 404, forged
        assert secret not in answer.message
        assert other_secret not in answer.message
    assert (await protocol.send(nobody, path.partition(".")[0], 0, DATA)).status == 401


async def test_an_expired_upload_is_gone_and_the_image_queued(
    erin: Person, nobody: Person, clock: Clock, protocol: UploadProtocol
) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await protocol.send(nobody, path, 0, DATA[:HALF])).status in (202, 204)
    clock.advance(8 * 24 * 3600)
    answer = await protocol.send(nobody, path, HALF, DATA[HALF:])
    assert answer.status == 410, answer.body
    assert (await erin.show(image_id))["status"] == "queued"


async def test_an_image_has_one_upload_at_a_time(erin: Person, protocol: UploadProtocol) -> None:
    image_id = await queued(erin)
    await protocol.open(erin, image_id, len(DATA))
    uploads = f"/v2/images/{image_id}/uploads"
    assert (await erin("POST", uploads, {"size": 5})).status == 409
    assert (await erin("POST", uploads, tus_resumable="1.0.0", upload_length="5")).status == 409
    assert (await erin.upload(image_id, b"", upload_complete="?0")).status == 409
    assert (await erin.upload(image_id, DATA)).status == 409


async def test_what_is_too_large_is_refused_when_the_upload_is_opened(serve: Any) -> None:
    async with serve(max_image_bytes=1000) as town:
        erin = town.person()
        image_id = await queued(erin)
        uploads = f"/v2/images/{image_id}/uploads"
        assert (await erin("POST", uploads, {"size": 1001})).status == 413
        assert (await erin("POST", uploads, tus_resumable="1.0.0", upload_length="1001")).status == 413
        answer = await erin.upload(image_id, b"", upload_complete="?0", upload_length="1001")
        assert (answer.status, answer.headers["upload-limit"]) == (413, "max-size=1000")
        assert (await erin.upload(image_id, b"12345", content_range="bytes 0-4/1001")).status == 413
        assert (await erin.show(image_id))["status"] == "queued"


async def test_a_project_may_have_only_so_many_open_uploads(serve: Any, protocol: UploadProtocol) -> None:
    async with serve(max_project_uploads=2) as town:
        erin = town.person()
        for _ in range(2):
            await protocol.open(erin, await queued(erin), 5)
        answer = await erin("POST", f"/v2/images/{await queued(erin)}/uploads", {"size": 5})
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 0


async def test_an_upload_whose_first_request_is_refused_with_its_bytes_does_not_keep_the_image(serve: Any) -> None:
    tus = {"tus_resumable": "1.0.0", "content_type": "application/offset+octet-stream"}
    async with serve(max_node_uploads=1) as town:
        erin = town.person()
        image_id, length = await queued(erin), str(len(DATA))
        async with erin.uploading(await queued(erin)):
            answer = await erin("POST", f"/v2/images/{image_id}/uploads", DATA, upload_length=length, **tus)
            assert answer.status == 429
            image = await erin.show(image_id)
            assert (image["status"], "this node already has 1 upload" in image["os_stillage_reason"]) == (
                "queued",
                True,
            )
            assert (await erin.upload(image_id, DATA, upload_complete="?1")).status == 429
            assert (await erin.show(image_id))["status"] == "queued"
        wrong = f"md5 {base64_of('md5', b'other')}"
        answer = await erin(
            "POST", f"/v2/images/{image_id}/uploads", DATA, upload_length=length, upload_checksum=wrong, **tus
        )
        assert answer.status == 460
        answer = await erin("POST", f"/v2/images/{image_id}/uploads", DATA, upload_length=length, **tus)
        assert answer.status == 201
        await holds(erin, image_id)


# The resource


async def test_an_upload_is_shown_as_it_stands(erin: Person, nobody: Person) -> None:
    image_id = await queued(erin)
    digest = hashlib.sha256(DATA).hexdigest()
    body = {"size": len(DATA), "digests": {"sha256": digest.upper()}}
    answer = await erin("POST", f"/v2/images/{image_id}/uploads", body)
    assert answer.status == 201
    path = path_of(answer)
    assert answer.headers["location"].endswith(answer.json["url"])
    assert answer.json["url"] == path
    assert (await Pieces().send(nobody, path, HALF, DATA[HALF:-1], size=len(DATA))).status == 202
    answer = await Pieces().send(nobody, path, 0, DATA[:10], size=len(DATA))
    assert answer.status == 202
    found = await document(nobody, path)
    assert answer.json | {"verified": 0} == found | {"verified": 0}
    assert (found["image_id"], found["digests"]) == (image_id, {"sha256": digest})
    assert (found["size"], found["offset"], found["received"]) == (len(DATA), 10, 10 + HALF - 1)
    assert found["ranges"] == [[0, 9], [HALF, len(DATA) - 2]]
    assert found["complete"] is False
    assert found["created_at"] < found["expires_at"]
    listed = await erin("GET", f"/v2/images/{image_id}/uploads")
    assert [upload | {"verified": 0} for upload in listed.json["uploads"]] == [found | {"verified": 0}]
    assert (await Pieces().send(nobody, path, 10, DATA[10:], size=len(DATA))).status == 204
    await holds(erin, image_id)


async def test_only_who_may_upload_opens_and_lists_uploads(erin: Person, rita: Person, olga: Person) -> None:
    uploads = f"/v2/images/{await queued(erin)}/uploads"
    for method, body in (("POST", {"size": 5}), ("GET", None)):
        assert (await rita(method, uploads, body)).status == 403
        assert (await olga(method, uploads, body)).status == 404
    assert (await erin("GET", uploads)).json == {"uploads": []}


@pytest.mark.parametrize(
    "body",
    [
        {"size": -1},
        {"size": "5"},
        {"size": 1.5},
        {"size": True},
        {"size": 10**18},
        {"digests": []},
        {"digests": {"sha1": "00" * 20}},
        {"digests": {"sha256": "00"}},
        {"digests": {"md5": 5}},
        {"length": 5},
        [],
        "x",
    ],
)
async def test_a_declaration_that_cannot_be_is_refused(erin: Person, body: Any) -> None:
    image_id = await queued(erin)
    answer = await erin("POST", f"/v2/images/{image_id}/uploads", body)
    assert answer.status == 400, answer.body
    assert (await erin.show(image_id))["status"] == "queued"


async def test_a_declaration_may_say_nothing(erin: Person) -> None:
    for body in (None, {}, {"size": None, "digests": None}):
        answer = await erin("POST", f"/v2/images/{await queued(erin)}/uploads", body)
        assert (answer.status, answer.json["size"], answer.json["digests"]) == (201, None, {})


async def test_a_declared_digest_that_is_wrong_refuses_the_image(erin: Person) -> None:
    image_id = await queued(erin)
    sent = {"repr_digest": f"sha-256=:{base64_of('sha256', b'other')}:"}
    path = path_of(await erin("POST", f"/v2/images/{image_id}/uploads", {"size": len(DATA)}, **sent))
    answer = await Pieces().send(erin, path, 0, DATA, size=len(DATA))
    assert answer.status == 400
    assert "sha256 mismatch" in answer.message
    image = await erin.show(image_id)
    assert image["status"] == "queued"
    assert "sha256 mismatch" in image["os_stillage_reason"]
    answer = await erin("GET", path)
    assert answer.status == 400
    assert "sha256 mismatch" in answer.message, "who lost the answer hears it again"


async def test_what_is_offered_is_said(erin: Person, olga: Person) -> None:
    image_id = await queued(erin)
    for path in (f"/v2/images/{image_id}/uploads", f"/v2/images/{image_id}/file"):
        answer = await erin("OPTIONS", path)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
        assert "creation-with-upload" in answer.headers["tus-extension"].split(",")
        assert answer.headers["tus-checksum-algorithm"] == "md5,sha1,sha256,sha512"
        assert answer.headers["tus-max-size"] == str(1 << 40)
        assert answer.headers["upload-limit"] == f"max-size={1 << 40}, max-age={7 * 24 * 3600}"
        assert answer.headers["accept-patch"] == "application/partial-upload, application/offset+octet-stream"
        assert answer.headers["upload-draft-interop-version"] == "8"
        assert (await olga("OPTIONS", path)).status == 404


async def test_a_patch_of_no_known_kind_says_which_there_are(erin: Person) -> None:
    path = await Pieces().open(erin, await queued(erin), 5)
    answer = await erin("PATCH", path, b"12345")
    assert answer.status == 415
    assert answer.headers["accept-patch"] == "application/partial-upload, application/offset+octet-stream"


async def test_the_capability_stays_out_of_the_log(erin: Person, capfd: pytest.CaptureFixture[str]) -> None:
    path = await Pieces().open(erin, await queued(erin), 5)
    secret = path.rpartition(".")[2]
    for asked in (path, f"{path}/", f"{path}/proof", path.replace(".", "%2E")):
        for method in ("GET", "OPTIONS", "PUT"):
            await erin(method, asked, b"")
    await Pieces().send(erin, path, 0, b"12345", size=6)
    await erin("DELETE", path)
    written = "".join(capfd.readouterr())
    assert secret not in written
