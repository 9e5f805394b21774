"""How long a command waits for a server that has not answered yet."""

import asyncio

import pytest

from stillage.client import retry
from stillage.client.errors import NetworkGaveUp
from stillage.client.retry import Outage, Retry

URL = "https://images.example.test"


async def _instantly(_seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_server_that_refuses_connections_is_given_up_soon_and_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "FIRST_CONTACT_S", 0.01)
    retrying = Retry(give_up_after_s=900, sleep=_instantly)

    async def insist() -> None:
        outage = Outage(retrying)
        async with retrying.first_contact(URL):
            while True:
                await outage.wait("connection refused")

    with pytest.raises(NetworkGaveUp, match=r"^connection refused; gave up after 0.01 seconds; check the address"):
        await insist()


async def test_a_server_that_says_nothing_is_given_up_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_CONTACT_S", 0.01)
    with pytest.raises(NetworkGaveUp, match=f"^no answer from {URL}; gave up"):
        async with Retry().first_contact(URL):
            await asyncio.Event().wait()


async def test_who_may_not_try_again_is_not_told_that_it_is_tried_again() -> None:
    said: list[str] = []
    with pytest.raises(NetworkGaveUp, match=r"^connection refused; gave up after 0 seconds$"):
        await Outage(Retry(give_up_after_s=0, say=said.append, sleep=_instantly)).wait("connection refused")
    assert said == []
