"""A capability dies with the rights of whoever opened its upload, over every protocol."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from asking import log_in
from image_api import Person
from protocols import DATA, HALF, PROTOCOLS, TUS, Pieces, UploadProtocol, holds, path_of, queued
from server import MIB
from stillage.operations.identity.accounts import Accounts


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> UploadProtocol:
    made: UploadProtocol = request.param
    return made


@pytest.fixture
async def erin(api: ClientSession) -> Person:
    return Person(api, (await log_in(api))[0], "lab")


@pytest.fixture
async def mona(api: ClientSession, accounts: Accounts) -> Person:
    await accounts.create_user("mona", "monas", project="lab")
    return Person(api, (await log_in(api, "mona"))[0], "lab")


@pytest.fixture
def nobody(api: ClientSession) -> Person:
    return Person(api, "", "")


def by_id(path: str) -> str:
    """The address of the upload of the capability *path* for those who have a token."""
    return path.rpartition(".")[0]


async def test_without_its_openers_rights_a_capability_is_answered_403_and_loses_nothing(
    erin: Person, mona: Person, nobody: Person, accounts: Accounts, protocol: UploadProtocol
) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    assert (await protocol.send(nobody, path, 0, DATA[:HALF])).status in (202, 204)
    await accounts.set_user_enabled("erin", enabled=False)
    answer = await protocol.send(nobody, path, HALF, DATA[HALF:], last=True)
    assert answer.status == 403, answer.body
    assert "user is disabled" in answer.message
    for method, headers in (("GET", {}), ("HEAD", {}), ("HEAD", TUS), ("DELETE", {}), ("DELETE", TUS)):
        assert (await nobody(method, path, **headers)).status == 403
    assert (await mona.show(image_id))["status"] == "saving"
    found = await mona("GET", by_id(path))
    assert (found.json["received"], found.json["complete"]) == (HALF, False)
    assert "user is disabled" in found.json["suspended"]
    listed = await mona("GET", f"/v2/images/{image_id}/uploads")
    assert "user is disabled" in listed.json["uploads"][0]["suspended"]
    await accounts.set_user_enabled("erin", enabled=True)
    assert await protocol.stands_at(nobody, path) == HALF
    assert (await protocol.send(nobody, path, HALF, DATA[HALF:], last=True)).status == 204
    await holds(mona, image_id)


async def test_a_colleague_with_a_token_finishes_a_suspended_upload(
    erin: Person, mona: Person, nobody: Person, accounts: Accounts, protocol: UploadProtocol
) -> None:
    image_id = await queued(erin)
    path = await protocol.open(erin, image_id, len(DATA))
    await protocol.send(nobody, path, 0, DATA[:HALF])
    await accounts.revoke("lab", "erin", "member")
    assert (await protocol.send(erin, by_id(path), HALF, DATA[HALF:], last=True)).status == 401
    assert (await protocol.send(mona, by_id(path), HALF, DATA[HALF:], last=True)).status == 204
    await holds(mona, image_id)


async def test_asking_where_it_stands_with_a_token_takes_a_suspended_upload_over(
    erin: Person, mona: Person, nobody: Person, accounts: Accounts
) -> None:
    image_id = await queued(erin)
    path = await Pieces().open(erin, image_id, len(DATA))
    await Pieces().send(nobody, path, 0, DATA[:HALF])
    await accounts.set_user_enabled("erin", enabled=False)
    for address in (by_id(path), f"/v2/images/{image_id}/file"):
        answer = await mona("PUT", address, b"", content_range=f"bytes */{len(DATA)}")
        assert (answer.status, answer.json["received"], answer.json["suspended"]) == (202, HALF, None)
    taken = path_of(answer)
    assert by_id(taken) == by_id(path)
    await accounts.set_user_enabled("erin", enabled=True)
    assert (await Pieces().send(nobody, path, HALF, DATA[HALF:], size=len(DATA))).status == 404
    assert (await Pieces().send(nobody, taken, HALF, DATA[HALF:], size=len(DATA))).status == 204
    await holds(mona, image_id)


async def test_rights_that_are_lost_while_a_body_comes_end_it(
    erin: Person, mona: Person, nobody: Person, accounts: Accounts
) -> None:
    size = 3 * MIB
    path = await Pieces().open(erin, await queued(erin), size)

    async def body() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        async with asyncio.timeout(60):
            while (await mona("GET", by_id(path))).json["received"] < MIB:  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(0.01)
        await accounts.set_user_enabled("erin", enabled=False)
        yield bytes(MIB)
        await asyncio.Event().wait()

    answer = await Pieces().send(nobody, path, 0, body(), size=size, length=str(size))
    assert answer.status == 403, answer.body
    assert "user is disabled" in answer.message
    assert (await mona("GET", by_id(path))).json["received"] == MIB


async def test_a_proof_is_worth_nothing_without_rights(
    erin: Person, mona: Person, nobody: Person, accounts: Accounts
) -> None:
    sha512 = hashlib.sha512(DATA).hexdigest()
    first = await queued(erin)
    await erin.upload(first, DATA)
    image_id = await queued(erin)
    wanted = {"size": len(DATA), "digests": {"sha512": sha512}}
    opened = (await erin("POST", f"/v2/images/{image_id}/uploads", wanted)).json
    nonce = opened["proof"]["nonce"]
    digests = [
        hashlib.sha256(nonce.encode() + DATA[start : last + 1]).hexdigest() for start, last in opened["proof"]["ranges"]
    ]
    proof = {"nonce": nonce, "digests": digests}
    await accounts.set_user_enabled("erin", enabled=False)
    assert (await nobody("POST", f"{opened['url']}/proof", proof)).status == 403
    assert (await mona.show(image_id))["status"] == "saving"
    assert (await mona("POST", f"{by_id(opened['url'])}/proof", proof)).status == 204
    await holds(mona, image_id)
