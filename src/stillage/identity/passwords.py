"""Passwords and other secrets that people choose: kept as Argon2id hashes, checked in threads of their own."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from stillage.accounts.texts import MAX_PASSWORD, require_password
from stillage.errors import Unavailable

T = TypeVar("T")

# Each check takes 19 MiB while it runs, so no more of them run at once than fit beside running uploads.
THREADS = 2
# More than `operations.identity.places` admits, which shares the places between clients. This one bounds memory.
MAX_WAITING = 128


def default_hasher() -> PasswordHasher:
    """Return the hasher for use in earnest. Source: OWASP Password Storage Cheat Sheet, Argon2id."""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def new_password() -> str:
    """Return a random password that can be typed and pasted: 120 bits."""
    return secrets.token_urlsafe(15)


class Passwords:
    """Hashes and verifies passwords without holding up the event loop.

    Args:
        hasher: Its parameters are the cost of a guess.
        threads: How many run at once.
        max_waiting: How many may wait or run; more are told to come back. Memory and waiting stay bounded.
    """

    def __init__(
        self, hasher: PasswordHasher | None = None, *, threads: int = THREADS, max_waiting: int = MAX_WAITING
    ) -> None:
        self._hasher = hasher or default_hasher()
        self._nobodys = self._hasher.hash(new_password())
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._max_waiting = max_waiting
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self._run(self._hasher.hash, require_password(password))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Return whether *password* is the one.

        Args:
            hashed: What `hash` returned; None if there is no such user, which takes as long to find out.
            password: What was sent, of any length and content.

        Raises:
            Unavailable: If too many others wait for the same.
        """
        matches = await self._run(self._matches, self._nobodys if hashed is None else hashed, password)
        return matches and hashed is not None

    def close(self) -> None:
        self._executor.shutdown()

    def _matches(self, hashed: str, password: str) -> bool:
        # surrogatepass: what no encoding can express is just another wrong password, found out as slowly.
        encoded = password[:MAX_PASSWORD].encode(errors="surrogatepass")
        try:
            return self._hasher.verify(hashed, encoded) and len(password) <= MAX_PASSWORD
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= self._max_waiting:
            raise Unavailable("too many logins at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *args)
        finally:
            self._waiting -= 1
