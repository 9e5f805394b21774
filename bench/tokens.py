"""A Keystone without a network, which counts what it is asked; and an identity that asks it."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from stillage.identity.keystone.identity import KeystoneIdentity, ServiceTokenRules
from stillage.identity.keystone.tokens import ServiceUser
from stillage.peers import Reply

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DOCUMENT = {
    "token": {
        "user": {"id": "a1", "name": "erin"},
        "project": {"id": "b2", "name": "lab"},
        "roles": [{"name": "member"}, {"name": "reader"}],
        "expires_at": "2026-01-02T04:04:05.000000Z",
    }
}
TOKENS = [f"gAAAAAB{number:0180d}" for number in range(1000)]


class Counting:
    """Implements `stillage.peers.Peer`. Answers in the next turn of the loop, as a network would at its fastest."""

    def __init__(self) -> None:
        self.validations = 0

    async def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        del path, headers, body  # what is asked is tested elsewhere
        await asyncio.sleep(0)
        self.validations += method == "GET"
        return Reply(201 if method == "POST" else 200, {"x-subject-token": "own"}, json.dumps(DOCUMENT).encode())


def make() -> tuple[KeystoneIdentity, Counting]:
    keystone = Counting()
    user = ServiceUser("stillage", None, "service", "Default")
    made = KeystoneIdentity(keystone, user, "secret", rules=ServiceTokenRules(), cache_s=300, clock=lambda: NOW)
    return made, keystone


def at_once(tokens: Sequence[str]) -> tuple[float, int]:
    """Return how long each of *tokens* took when all came at once to an identity that knew none, and the questions."""

    async def run() -> tuple[float, int]:
        identity, keystone = make()
        begun = time.perf_counter()
        await asyncio.gather(*(identity.principal_of(token) for token in tokens))
        return (time.perf_counter() - begun) / len(tokens) * 1e6, keystone.validations

    return asyncio.run(run())


def remembered() -> Callable[[], None]:
    """Return what asks about a token that is remembered. It fails if it waits for anything at all."""
    identity, _ = make()
    asyncio.run(_ask(identity.principal_of(TOKENS[0])))

    def ask() -> None:
        waiting = identity.principal_of(TOKENS[0])
        try:
            waiting.send(None)
        except StopIteration:
            return
        raise AssertionError("a remembered token waits for something")

    return ask


async def _ask(question: Awaitable[object]) -> None:
    await question
