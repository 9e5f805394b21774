"""Pieces that are here already need not be sent: what a client lists, is told, and proves."""

import base64
import hashlib
from typing import Any

import pytest

from image_api import Person
from protocols import DATA, Pieces, holds, path_of, queued
from server import Answer

SIZE = len(DATA)  # less than a piece
DIGESTS = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
MISSING = {"piece_size": 4 << 20, "missing": [[0, SIZE - 1]]}


async def open_upload(person: Person) -> tuple[str, str]:
    """Return the id of a new image, and the path of its upload."""
    image_id = await queued(person)
    answer = await person("POST", f"/v2/images/{image_id}/uploads", {"size": SIZE})
    assert answer.status == 201, answer.body
    return image_id, path_of(answer)


async def have(person: Person, path: str, **more: Any) -> Answer:
    return await person("POST", f"{path}/have", {"digests": DIGESTS, **more})


def proof_of(asked: dict[str, Any], data: bytes = DATA) -> dict[str, Any]:
    nonce = asked["nonce"].encode()
    digests = [hashlib.sha256(nonce + data[first : last + 1]).hexdigest() for first, last in asked["ranges"]]
    return {"nonce": asked["nonce"], "proof": digests}


async def test_a_file_whose_pieces_are_here_need_not_be_sent(erin: Person) -> None:
    await erin.stored(DATA)
    image_id, path = await open_upload(erin)
    answer = await have(erin, path, first=0)
    assert (answer.status, answer.json["missing"]) == (200, [])
    asked = answer.json["proof"]
    for wrong in (proof_of(asked, bytes(SIZE)), {"nonce": "another", "proof": proof_of(asked)["proof"]}):
        assert (await have(erin, path, **wrong)).status == 409
    assert (await have(erin, path, **proof_of(asked))).status == 204
    await holds(erin, image_id)


async def test_pieces_of_another_project_are_missing_as_if_nobody_had_them(erin: Person, olga: Person) -> None:
    _, path = await open_upload(erin)
    before = await have(erin, path)
    await olga.stored(DATA, visibility="private")
    after = await have(erin, path)
    assert (before.status, before.json) == (after.status, after.json) == (200, MISSING)
    assert (await Pieces().send(erin, path, 0, DATA, size=SIZE)).status == 204
    assert (await have(erin, path)).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"digests": ""},
        {"digests": 5},
        {"digests": "AAAA"},
        {"digests": "not base64 at all"},
        {"digests": "ä"},
        {"digests": base64.b64encode(bytes(1025 * 32)).decode()},
        {"digests": DIGESTS, "first": 1},
        {"digests": DIGESTS, "first": -1},
        {"digests": DIGESTS, "first": "0"},
        {"digests": DIGESTS, "nonce": "n"},
        {"digests": DIGESTS, "nonce": None, "proof": []},
        {"digests": DIGESTS, "nonce": 5, "proof": []},
        {"digests": DIGESTS, "nonce": "n", "proof": [5]},
        {"digests": DIGESTS, "other": 1},
    ],
)
async def test_what_is_no_list_of_pieces_is_refused(erin: Person, body: Any) -> None:
    _, path = await open_upload(erin)
    assert (await erin("POST", f"{path}/have", body)).status == 400
