"""What ends a token ends it for every worker at once: no answer is given on what was true before."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import ClientSession, TCPConnector

from server import MakeServer
from stillage.accounts.secrets import digest_of, new_token
from stillage.accounts.token import NewToken
from stillage.db import tokens
from stillage.db.session import Database
from stillage.operations.identity.accounts import Accounts

CONNECTIONS = 16
ROUNDS = 3
"""How often each connection asks with every token, before each change and after it."""
VALID, REFUSED = 404, 401
"""Answers to a request for an image that does not exist."""


def now() -> datetime:
    return datetime.now(UTC)


async def token_of(name: str, accounts: Accounts, database: Database) -> str:
    """Return a token of a new user, whose project has the same name."""
    text, project = new_token(), await accounts.create_project(name)
    user = await accounts.create_user(name, name, project=name)
    later = now() + timedelta(hours=1)
    new = NewToken(digest_of(text), name, user.id, project.id, ("password",), now(), later)
    await database.write(tokens.issue, new)
    return text


class Readers:
    """Connections that read with every token, again and again, and count the answers.

    Attributes:
        ended: Tokens that have ended before a request with them began, from now on.
        answers: By token, whether it had ended, and status.
    """

    def __init__(self, session: ClientSession, tokens: dict[str, str]) -> None:
        self._session = session
        self._tokens = tokens
        self._rounds = [0] * CONNECTIONS
        self._progress = asyncio.Event()
        self.ended: set[str] = set()
        self.answers: Counter[tuple[str, bool, int]] = Counter()

    async def read(self, number: int) -> None:
        while True:
            for name, token in self._tokens.items():
                has_ended = name in self.ended
                async with self._session.get("/v2/images/none", headers={"X-Auth-Token": token}) as answer:
                    self.answers[name, has_ended, answer.status] += 1
            self._rounds[number] += 1
            self._progress.set()

    async def go_on(self) -> None:
        """Return when each connection has asked `ROUNDS` times more with every token."""
        least = min(self._rounds) + ROUNDS
        while min(self._rounds) < least:
            self._progress.clear()
            await self._progress.wait()


async def test_no_worker_answers_for_a_token_that_has_ended(
    database: Database, database_url: str, accounts: Accounts, own_server: MakeServer
) -> None:
    server = own_server(workers=2, database_url=database_url).start()
    names = ("revoked", "of a disabled user", "without a role", "of a disabled project", "untouched")
    given = {name: await token_of(name.replace(" ", "-"), accounts, database) for name in names}
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "revoked": lambda: database.write(tokens.revoke, digest_of(given["revoked"])),
        "of a disabled user": lambda: accounts.set_user_enabled("of-a-disabled-user", enabled=False),
        "without a role": lambda: accounts.revoke("without-a-role", "without-a-role", "member"),
        "of a disabled project": lambda: accounts.set_project_enabled("of-a-disabled-project", enabled=False),
    }
    async with ClientSession(server.url, connector=TCPConnector(limit=CONNECTIONS)) as session:
        readers = Readers(session, given)
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(readers.read(number)) for number in range(CONNECTIONS)]
            await readers.go_on()
            for name, change in changes.items():
                await change()
                readers.ended.add(name)
                await readers.go_on()
            for task in reading:
                task.cancel()
    late = {key: count for key, count in readers.answers.items() if key[1] and key[2] != REFUSED}
    assert late == {}
    assert all(readers.answers[name, False, VALID] >= CONNECTIONS * ROUNDS for name in names)
    assert {key for key in readers.answers if key[0] == "untouched"} == {("untouched", False, VALID)}
