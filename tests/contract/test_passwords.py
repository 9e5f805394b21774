import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters

from fakes import CountingHasher
from stillage.errors import InvalidInput, Unavailable
from stillage.identity.passwords import Passwords, default_hasher, new_password


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def passwords(hasher: CountingHasher) -> Iterator[Passwords]:
    passwords = Passwords(hasher)
    yield passwords
    passwords.close()


async def test_the_password_itself_matches_its_hash_and_no_other_does(passwords: Passwords) -> None:
    hashed = await passwords.hash("grün 🐧")
    assert "grün" not in hashed
    assert await passwords.verify(hashed, "grün 🐧")
    assert not await passwords.verify(hashed, "gruen")
    assert not await passwords.verify(hashed, "")


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("a") != await passwords.hash("a")


async def test_nobody_costs_as_much_as_somebody(passwords: Passwords, hasher: CountingHasher) -> None:
    hashed = await passwords.hash("right")
    for known, password in ((hashed, "right"), (hashed, "wrong"), (None, "right"), (None, "x" * 60_000)):
        before = hasher.verified
        await passwords.verify(known, password)
        assert hasher.verified - before == 1


async def test_nobody_has_no_password(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "")
    assert not await passwords.verify(None, "anything")


@pytest.mark.parametrize("password", ["", "x" * 1025, "\ud800"])
async def test_what_cannot_be_a_password_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(InvalidInput):
        await passwords.hash(password)


@pytest.mark.parametrize("password", ["\ud800", "\0", "x" * 60_000])
async def test_whatever_is_tried_is_a_wrong_password_and_no_defect(passwords: Passwords, password: str) -> None:
    assert not await passwords.verify(await passwords.hash("x" * 1024), password)


async def test_a_broken_hash_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.verify("!", "")


class Stopping(PasswordHasher):
    """Waits in the middle of a hash until it may go on."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go_on = threading.Event()
        self.go_on.set()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        assert self.go_on.wait(60)
        return super().hash(password, salt=salt)


async def test_the_event_loop_goes_on_while_a_password_is_hashed() -> None:
    hasher = Stopping()
    passwords = Passwords(hasher)
    hasher.go_on.clear()
    hashing = asyncio.create_task(passwords.hash("a"))
    await asyncio.sleep(0.01)
    assert not hashing.done()
    hasher.go_on.set()
    await hashing
    passwords.close()


async def test_more_than_can_be_borne_are_told_to_come_back() -> None:
    hasher = Stopping()
    passwords = Passwords(hasher, max_waiting=3)
    hasher.go_on.clear()
    waiting = [asyncio.create_task(passwords.hash("a")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many logins"):
        await passwords.hash("a")
    hasher.go_on.set()
    await asyncio.gather(*waiting)
    await passwords.hash("a")
    passwords.close()


def test_in_earnest_a_guess_is_dear() -> None:
    parameters = extract_parameters(default_hasher().hash("a"))
    assert parameters == Parameters(parameters.type, 19, 16, 32, time_cost=2, memory_cost=19456, parallelism=1)


def test_a_random_password_is_long_enough_and_easy_to_paste() -> None:
    password = new_password()
    assert len(password) == 20
    assert password.isascii()
    assert password.isprintable()
