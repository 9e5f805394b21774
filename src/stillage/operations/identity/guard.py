"""Rate-limit failed logins: after too many in a period of time, even the right password is refused.

Attackers must neither guess for ever nor lock out a user by name. So failures count per name *and network*. The totals
per name and per network only make the limit stricter where the name has not logged in from that network before.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from stillage.db import Connection, failures, networks
from stillage.db.session import Database
from stillage.errors import TooManyFailures, Unauthenticated
from stillage.identity.networks import network_of
from stillage.operations.identity.places import Places


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """How many failures are allowed within *window_s* seconds."""

    count: int = 10
    window_s: int = 300

    @property
    def later(self) -> "FailureLimit":
        """The limit for repeated failures: three times as many, within an hour instead of five minutes."""
        return FailureLimit(3 * self.count, 12 * self.window_s)


Limits = Sequence[FailureLimit]

OF_NAME: Limits = (FailureLimit(100, 3600),)
"""Failures of one name from all networks, above which it counts as under attack."""
UNDER_ATTACK: Limits = (FailureLimit(2, 900), FailureLimit(4, 3600))
"""The limit then for a network from which that name has never logged in: the right password needs one attempt."""
OF_NETWORK: Limits = (FailureLimit(50, 300), FailureLimit(200, 3600))
"""Failures from one network with any name, above which only names that have logged in from it before may log in."""
KEPT_S = 3600
KNOWN_S = 90 * 86400
"""How long to remember that a name has logged in from a network."""
SEEN_AGAIN = timedelta(days=1)
"""How often to record it again."""

TOTAL, OF_ONE_NETWORK, FOR_THE_KNOWN = 96, 32, 32
"""Logins that one process checks or queues: in total, per network, and reserved for known networks."""


def wait_s(failed: Sequence[datetime], limits: Limits, now: datetime) -> int:
    """Return how long to wait until *limits* allow another attempt; 0 if they do.

    Args:
        failed: Times of the earlier failures, the latest first.
        limits: All of them must allow the attempt.
        now: Timezone-aware.
    """
    waits = [0]
    for limit in limits:
        window = timedelta(seconds=limit.window_s)
        within = [time for time in failed if time > now - window]
        if len(within) >= limit.count:
            # Until the oldest failure that counts leaves the window. Rounded up, because clients retry on the second.
            left = within[limit.count - 1] + window - now
            waits.append(max(1, -(-left // timedelta(seconds=1))))
    return max(waits)


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys under which an attempt is counted, see `failures`."""

    name: str
    network: str
    pair: str


@dataclass(frozen=True, slots=True)
class _State:
    """Earlier failures, the latest first. *last_login*: of the name from this network; None for never."""

    of_pair: Sequence[datetime]
    of_name: Sequence[datetime]
    of_network: Sequence[datetime]
    last_login: datetime | None


class Guard:
    """Counts failures by the given name, whether such a user exists or not, and by the network of the client."""

    def __init__(
        self, database: Database, limit: FailureLimit, *, secret: bytes, clock: Callable[[], datetime]
    ) -> None:
        """*limit*: of one name from one network."""
        self._database = database
        self._of_pair = (limit, limit.later)
        self._secret = secret
        self._clock = clock
        self._places = Places("logins", total=TOTAL, each=OF_ONE_NETWORK, reserved=FOR_THE_KNOWN)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, who: str, address: str | None) -> AsyncIterator[None]:
        """Wrap the check of a secret. If Unauthenticated is raised inside, it counts as a failure.

        Args:
            who: The given name.
            address: The client's address.

        Raises:
            TooManyFailures, TooManyAtOnce, Unavailable: If the secret must not be checked now.
        """
        network = network_of(address)
        keys = _Keys(self._key(who), self._key(f"network {network}"), self._key(f"{who} from {network}"))
        last_login = await self._database.read(networks.find, keys.name, keys.network)
        # One at a time per name and network: otherwise guesses sent all at once would all be checked before the first
        # failure is counted.
        with self._places.taken(network, known=last_login is not None):
            async with self._turns.setdefault(keys.pair, asyncio.Lock()):
                state = await self._database.read(_state, keys, self._since())
                if wait := self._wait_s(state):
                    raise TooManyFailures(wait)
                try:
                    yield
                except Unauthenticated:
                    await self._database.write(_record, keys, self._clock())
                    raise
                await self._succeeded(keys, state)

    async def forget_old(self) -> int:
        """Delete the rows that no longer count."""
        old = await self._database.write(networks.forget_before, self._clock() - timedelta(seconds=KNOWN_S))
        return old + await self._database.write(failures.forget_before, self._since())

    async def _succeeded(self, keys: _Keys, state: _State) -> None:
        now = self._clock()
        if state.of_pair or state.last_login is None or state.last_login < now - SEEN_AGAIN:
            await self._database.write(_welcome, keys, now)

    def _wait_s(self, state: _State) -> int:
        now = self._clock()
        wait = wait_s(state.of_pair, self._of_pair, now)
        if state.last_login is not None:
            return wait
        if wait_s(state.of_name, OF_NAME, now):
            wait = max(wait, wait_s(state.of_pair, UNDER_ATTACK, now))
        return max(wait, wait_s(state.of_network, OF_NETWORK, now))

    def _key(self, text: str) -> str:
        # Keyed, because people type passwords into the name field, and a plain hash of a password is easy to guess.
        return hmac.digest(self._secret, text.encode(), "sha256").hex()

    def _since(self) -> datetime:
        return self._clock() - timedelta(seconds=max(KEPT_S, *(limit.window_s for limit in self._of_pair)))


def _state(connection: Connection, keys: _Keys, since: datetime) -> _State:
    most = max(limit.count for limit in (*OF_NAME, *OF_NETWORK))
    return _State(
        failures.latest(connection, keys.pair, since, most),
        failures.latest(connection, keys.name, since, most),
        failures.latest(connection, keys.network, since, most),
        networks.find(connection, keys.name, keys.network),
    )


def _record(connection: Connection, keys: _Keys, now: datetime) -> None:
    for key in (keys.pair, keys.name, keys.network):
        failures.record(connection, key, now)


def _welcome(connection: Connection, keys: _Keys, now: datetime) -> None:
    failures.forget(connection, keys.pair)
    networks.remember(connection, keys.name, keys.network, now)
