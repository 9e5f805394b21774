"""Stand-ins for what is dear, or does not stand still."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher

from stillage.accounts.principal import Principal
from stillage.identity.passwords import Passwords
from stillage.images.job import Job
from stillage.images.upload import Grant
from stillage.operations.resumable.rights import Look


class CountingHasher(PasswordHasher):
    """A hasher at the least cost that Argon2 has. Counts how often it is asked: what an attacker could time."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override] # noqa: A002
        self.verified += 1
        return super().verify(hash, password)


def cheap_passwords(hasher: PasswordHasher | None = None) -> Passwords:
    return Passwords(hasher or CountingHasher())


async def unheard(job: Job) -> None:
    """Is told of jobs. Implements `operations.jobs.Report`."""


class OpenRights:
    """Believes for ever what an upload's opener was. Implements `operations.resumable.rights.Rights`."""

    def keep(self, principal: Principal) -> str:
        return ",".join(principal.roles)

    async def look(self, grant: Grant, *, hold: bool) -> Look:  # noqa: ARG002 - the Protocol names it
        principal = Principal(grant.user_id, grant.project_id, frozenset((grant.through or "").split(",")))
        return lambda _: principal


@dataclass
class Clock:
    """Says what it is told."""

    time: datetime = field(default_factory=lambda: datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
