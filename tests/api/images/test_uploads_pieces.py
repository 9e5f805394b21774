"""Pieces: Content-Range, in any order."""

import asyncio
import itertools
import random

import pytest

from image_api import Person
from protocols import DATA, HALF, Pieces, base64_of, document, holds, path_of, queued

SIZE = len(DATA)
PROTOCOL = Pieces()


async def put_file(person: Person, image_id: str, first: int, data: bytes, size: int = SIZE, /, **headers: str) -> int:
    """Send a piece to where images are sent, and return the status."""
    content_range = f"bytes {first}-{first + len(data) - 1}/{size}"
    answer = await person.upload(image_id, data, content_range=content_range, **headers)
    return answer.status


async def test_pieces_come_in_any_order_and_at_the_same_time(erin: Person) -> None:
    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id, SIZE)
    cuts = [0, *sorted(random.Random(7).sample(range(1, SIZE), 15)), SIZE]
    pieces = list(itertools.pairwise(cuts))
    random.Random(8).shuffle(pieces)
    answers = await asyncio.gather(
        *(PROTOCOL.send(erin, path, first, DATA[first:end], size=SIZE) for first, end in pieces)
    )
    assert sorted(answer.status for answer in answers) == [202] * 15 + [204]
    await holds(erin, image_id)


async def test_where_images_are_sent_the_first_piece_opens_an_upload(erin: Person) -> None:
    image_id = await queued(erin)
    answer = await erin.upload(image_id, DATA[HALF:], content_range=f"bytes {HALF}-{SIZE - 1}/{SIZE}")
    assert answer.status == 202
    assert answer.json["ranges"] == [[HALF, SIZE - 1]]
    assert path_of(answer) == answer.json["url"]
    assert await put_file(erin, image_id, 0, DATA[:HALF]) == 204
    await holds(erin, image_id)


async def test_the_first_pieces_of_an_image_may_come_at_the_same_time(erin: Person) -> None:
    image_id = await queued(erin)
    step = SIZE // 8
    statuses = await asyncio.gather(
        *(put_file(erin, image_id, first, DATA[first : first + step]) for first in range(0, SIZE, step))
    )
    assert sorted(statuses) == [202] * 7 + [204]
    await holds(erin, image_id)


async def test_who_only_asks_hears_where_the_upload_stands(erin: Person) -> None:
    image_id = await queued(erin)
    asked = {"content_range": f"bytes */{SIZE}"}
    assert (await erin.upload(image_id, b"", **asked)).status == 409
    assert (await erin.show(image_id))["status"] == "queued", "a question opens nothing"
    assert await put_file(erin, image_id, 0, DATA[:HALF]) == 202
    answer = await erin.upload(image_id, b"", **asked)
    assert (answer.status, answer.json["offset"]) == (202, HALF)
    again = await erin("PUT", path_of(answer), b"", **asked)
    assert again.json | {"verified": 0} == answer.json | {"verified": 0}, "what is verified grows by itself"
    assert await put_file(erin, image_id, HALF, DATA[HALF:]) == 204
    assert (await erin.upload(image_id, b"", **asked)).status == 204
    assert (await erin.upload(image_id, b"", content_range="bytes */5")).status == 409


async def test_the_same_bytes_again_are_fine(erin: Person) -> None:
    image_id = await queued(erin)
    for first, end in ((0, 100), (0, 100), (50, 150), (300, 400), (100, 350), (0, 400)):
        assert await put_file(erin, image_id, first, DATA[first:end]) == 202
    assert await put_file(erin, image_id, 0, DATA) == 204
    await holds(erin, image_id)


async def test_other_bytes_than_before_are_refused(erin: Person) -> None:
    image_id = await queued(erin)
    assert await put_file(erin, image_id, 0, DATA[:HALF]) == 202
    wrong = bytearray(DATA)
    wrong[HALF - 10] ^= 1
    assert await put_file(erin, image_id, 0, bytes(wrong[:HALF])) == 409
    assert await put_file(erin, image_id, HALF - 100, bytes(wrong[HALF - 100 : HALF + 100])) == 409
    assert await put_file(erin, image_id, HALF, DATA[HALF:]) == 204
    await holds(erin, image_id)


async def test_a_gap_keeps_the_image_from_being_complete(erin: Person) -> None:
    image_id = await queued(erin)
    assert await put_file(erin, image_id, 0, DATA[:HALF]) == 202
    assert await put_file(erin, image_id, HALF + 1, DATA[HALF + 1 :]) == 202
    assert (await erin.show(image_id))["status"] == "saving"
    assert await put_file(erin, image_id, HALF, DATA[HALF : HALF + 1]) == 204
    await holds(erin, image_id)


async def test_zeros_need_not_be_sent(erin: Person) -> None:
    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id, SIZE + 5000)
    zeros = {"content_range": f"bytes {SIZE}-{SIZE + 4999}/{SIZE + 5000}", "upload_zeros": "?1"}
    assert (await erin("PUT", path, b"", **zeros)).status == 202
    assert (await PROTOCOL.send(erin, path, 0, DATA, size=SIZE + 5000)).status == 204
    await holds(erin, image_id, DATA + bytes(5000))


async def test_who_sends_no_body_need_not_say_of_what_kind_it_is(erin: Person) -> None:
    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id, 5000)

    async def put(at: str, **headers: str) -> int:
        sent = {"X-Auth-Token": erin.token, **headers}
        async with erin.session.put(at, headers=sent, skip_auto_headers=["Content-Type"]) as answer:
            return answer.status

    asked = {"Content-Range": "bytes */5000"}
    for at in (path, f"/v2/images/{image_id}/file"):
        assert await put(at, **asked) == 202
        assert await put(at, **asked, **{"Content-Type": "text/plain"}) == 415
    assert await put(path, **{"Content-Range": "bytes 0-4999/5000", "Upload-Zeros": "?1"}) == 204
    await holds(erin, image_id, bytes(5000))


async def test_zeros_where_there_are_other_bytes_are_refused(erin: Person) -> None:
    image_id = await queued(erin)
    assert await put_file(erin, image_id, 0, DATA[:HALF]) == 202
    zeros = {"content_range": f"bytes 0-{HALF - 1}/{SIZE}", "upload_zeros": "?1"}
    assert (await erin.upload(image_id, b"", **zeros)).status == 409


@pytest.mark.parametrize(
    ("content_range", "status"),
    [
        ("bytes 0-4/4", 400),
        ("bytes 0-3/10", 400),
        ("bytes 0-4", 400),
        ("bytes=0-4/5", 400),
        ("bytes 4-0/5", 400),
        ("items 0-4/5", 400),
        (f"bytes 0-4/{2**41}", 413),
    ],
)
async def test_a_range_that_cannot_be_is_refused_and_opens_nothing(
    erin: Person, content_range: str, status: int
) -> None:
    image_id = await queued(erin)
    assert (await erin.upload(image_id, b"12345", content_range=content_range)).status == status
    assert (await erin.show(image_id))["status"] == "queued"
    path = await PROTOCOL.open(erin, image_id, 10)
    assert (await erin("PUT", path, b"12345", content_range=content_range)).status in (400, 409, 413)
    assert (await document(erin, path))["received"] == 0


async def test_a_piece_needs_a_range(erin: Person) -> None:
    path = await PROTOCOL.open(erin, await queued(erin), 5)
    answer = await erin("PUT", path, b"12345")
    assert answer.status == 400
    assert "Content-Range" in answer.message


async def test_a_piece_may_be_chunked(erin: Person) -> None:
    async def chunks(*pieces: bytes) -> object:
        for piece in pieces:
            yield piece

    image_id = await queued(erin)
    path = await PROTOCOL.open(erin, image_id, SIZE)
    short = await PROTOCOL.send(erin, path, 0, chunks(DATA[:10]), size=SIZE, length="20")
    assert short.status == 400, short.body
    long = await PROTOCOL.send(erin, path, 0, chunks(DATA[:10], DATA[10:30]), size=SIZE, length="20")
    assert long.status == 400, long.body
    assert (await document(erin, path))["received"] <= 20
    assert (
        await PROTOCOL.send(erin, path, 0, chunks(DATA[:HALF], DATA[HALF:]), size=SIZE, length=str(SIZE))
    ).status == 204
    await holds(erin, image_id)


async def test_the_first_piece_may_declare_the_digest_of_the_whole(erin: Person) -> None:
    image_id = await queued(erin)
    declared = {"repr_digest": f"sha-256=:{base64_of('sha256', DATA)}:"}
    assert await put_file(erin, image_id, 0, DATA[:HALF], **declared) == 202
    listed = (await erin("GET", f"/v2/images/{image_id}/uploads")).json
    assert list(listed["uploads"][0]["digests"]) == ["sha256"]
    assert await put_file(erin, image_id, HALF, DATA[HALF:], **declared) == 204
    await holds(erin, image_id)
