"""Resumable uploads whose openers are known to a Keystone: as far as it tells, and as late as it is asked."""

import pytest
from sqlalchemy import text

from fake_keystone import WINDOW_S, FakeKeystone
from fakes import Clock
from image_api import Person, Town
from protocols import DATA, HALF, Pieces, holds, path_of, queued
from stillage.api.services import SERVICES

CACHE_S = 300


@pytest.fixture
def erins(keystone: FakeKeystone) -> str:
    return keystone.token()


@pytest.fixture
def erin(town: Town, erins: str) -> Person:
    return Person(town.session, erins, "lab")


@pytest.fixture
def nobody(town: Town) -> Person:
    return Person(town.session, "", "")


async def begun(erin: Person, nobody: Person) -> tuple[str, str]:
    """Return an image and the address of its upload, which has its first half."""
    image_id = await queued(erin)
    path = await Pieces().open(erin, image_id, len(DATA))
    assert (await Pieces().send(nobody, path, 0, DATA[:HALF], size=len(DATA))).status == 202
    return image_id, path


async def test_a_capability_outlives_its_token_as_long_as_keystone_vouches_for_it(
    erin: Person, nobody: Person, keystone: FakeKeystone, clock: Clock
) -> None:
    image_id, path = await begun(erin, nobody)
    clock.advance(WINDOW_S)
    assert (await Pieces().send(nobody, path, HALF, DATA[HALF:], size=len(DATA))).status == 204
    await holds(Person(erin.session, keystone.token("mona"), "lab"), image_id)


@pytest.mark.parametrize("over", ["revoked", "demoted", "too old"])
async def test_what_keystone_vouches_for_no_more_is_suspended_until_somebody_shows_a_token(
    erin: Person, erins: str, nobody: Person, keystone: FakeKeystone, clock: Clock, over: str
) -> None:
    image_id, path = await begun(erin, nobody)
    if over == "revoked":
        del keystone.tokens[erins]
    if over == "demoted":
        keystone.tokens[erins].roles = ("reader",)
    clock.advance(CACHE_S if over != "too old" else 3600 + WINDOW_S)
    for method in ("GET", "HEAD", "DELETE"):
        assert (await nobody(method, path)).status == 403
    answer = await Pieces().send(nobody, path, HALF, DATA[HALF:], size=len(DATA))
    assert answer.status == 403
    assert "suspended" in answer.message
    again = Person(erin.session, keystone.token(), "lab")
    assert (await again.show(image_id))["status"] == "saving"
    answer = await again("PUT", path.rpartition(".")[0], b"", content_range=f"bytes */{len(DATA)}")
    assert answer.status == 202
    assert (await Pieces().send(nobody, path_of(answer), HALF, DATA[HALF:], size=len(DATA))).status == 204
    await holds(again, image_id)


async def test_while_keystone_does_not_answer_nothing_is_taken_and_nothing_is_suspended(
    erin: Person, nobody: Person, keystone: FakeKeystone, clock: Clock
) -> None:
    _, path = await begun(erin, nobody)
    clock.advance(CACHE_S)
    url, keystone.password = keystone.password, "another"
    keystone.tokens = {name: known for name, known in keystone.tokens.items() if known.user != "stillage"}
    answer = await Pieces().send(nobody, path, HALF, DATA[HALF:], size=len(DATA))
    assert answer.status == 503
    assert "retry-after" in answer.headers
    keystone.password = url
    clock.advance(10)
    assert (await Pieces().send(nobody, path, HALF, DATA[HALF:], size=len(DATA))).status == 204


async def test_many_pieces_cost_keystone_one_question(erin: Person, nobody: Person, keystone: FakeKeystone) -> None:
    _, path = await begun(erin, nobody)
    before = len(keystone.validations)
    for first in range(HALF, HALF + 10):
        await Pieces().send(nobody, path, first, DATA[first : first + 1], size=len(DATA))
    assert len(keystone.validations) == before


async def test_the_token_is_kept_encrypted(town: Town, erin: Person, erins: str, nobody: Person) -> None:
    await begun(erin, nobody)
    database = town.application[SERVICES].database
    kept = await database.read(
        lambda connection: connection.execute(text("SELECT rights FROM uploads")).scalars().all()
    )
    assert kept
    assert erins not in repr(kept)
