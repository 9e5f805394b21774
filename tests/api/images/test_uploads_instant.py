"""Bytes that are here already need not be sent, by whoever shows to have them."""

import hashlib
from typing import Any

import pytest

from image_api import Person
from protocols import DATA, Pieces, holds, path_of, queued
from server import Answer

DECLARED = {"size": len(DATA), "digests": {"sha512": hashlib.sha512(DATA).hexdigest()}}


async def open_upload(person: Person, image_id: str) -> Answer:
    answer = await person("POST", f"/v2/images/{image_id}/uploads", DECLARED)
    assert answer.status == 201, answer.body
    return answer


def proof_of(asked: dict[str, Any], data: bytes = DATA) -> dict[str, Any]:
    nonce = asked["nonce"].encode()
    digests = [hashlib.sha256(nonce + data[first : last + 1]).hexdigest() for first, last in asked["ranges"]]
    return {"nonce": asked["nonce"], "digests": digests}


async def test_who_shows_to_have_the_bytes_need_not_send_them(erin: Person) -> None:
    await erin.stored(DATA)
    image_id = await queued(erin)
    answer = await open_upload(erin, image_id)
    assert (await erin("POST", f"{path_of(answer)}/proof", proof_of(answer.json["proof"]))).status == 204
    await holds(erin, image_id)


async def test_the_digest_alone_opens_nothing(erin: Person) -> None:
    await erin.stored(DATA)
    image_id = await queued(erin)
    answer = await open_upload(erin, image_id)
    path, asked = path_of(answer), answer.json["proof"]
    for wrong in (
        proof_of(asked, bytes(len(DATA))),
        {"nonce": asked["nonce"], "digests": []},
        {"nonce": "of another upload", "digests": proof_of(asked)["digests"]},
    ):
        assert (await erin("POST", f"{path}/proof", wrong)).status == 409
    assert (await erin.show(image_id))["status"] == "saving"
    assert (await Pieces().send(erin, path, 0, DATA, size=len(DATA))).status == 204
    await holds(erin, image_id)


async def test_bytes_of_another_project_are_not_offered(erin: Person, olga: Person) -> None:
    await olga.stored(DATA, visibility="private")
    assert "proof" not in (await open_upload(erin, await queued(erin))).json


@pytest.mark.parametrize("body", [{}, {"nonce": 5, "digests": []}, {"nonce": "n"}, {"nonce": "n", "digests": [5]}, []])
async def test_what_is_no_proof_is_refused(erin: Person, body: Any) -> None:
    path = path_of(await open_upload(erin, await queued(erin)))
    assert (await erin("POST", f"{path}/proof", body)).status == 400
