"""The embedded identity service: validate and revoke tokens, and delete expired ones."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from stillage.accounts.principal import Principal
from stillage.accounts.secrets import digest_of, is_token
from stillage.accounts.token import Token
from stillage.db import access_keys, credentials, tokens
from stillage.db.session import Database
from stillage.errors import Forbidden, NotFound, Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.identity.vault import Vault
from stillage.operations.identity.access_keys import AccessKeys
from stillage.operations.identity.credentials import Credentials
from stillage.operations.identity.directory import Directory
from stillage.operations.identity.guard import FailureLimit, Guard
from stillage.operations.identity.login import Login
from stillage.operations.identity.people import People
from stillage.operations.identity.projects import Projects
from stillage.operations.identity.roles import Roles
from stillage.operations.identity.sessions import EmbeddedSessions
from stillage.operations.identity.signatures import Signatures

LIFETIME_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class UserLimits:
    """How many of each a user may have, not counting expired ones."""

    tokens: int = tokens.PER_USER
    credentials: int = credentials.PER_USER
    temporary_keys: int = access_keys.TEMPORARY_PER_USER


class EmbeddedIdentity:
    """Implements `identity.base.Identity` over our own tables.

    Attributes:
        login: Issues tokens.
        sessions: Signs browsers in to the console.
        credentials: Application credentials.
        access_keys: Keys that clients sign requests with.
        signatures: Verifies signed requests.
        directory: The projects that a principal may see.
        people: Users, for administrators and for themselves.
        projects: Changes to projects, for administrators.
        roles: Who has which role where, for administrators.
    """

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        *,
        secret: bytes,
        clock: Callable[[], datetime],
        lifetime_s: float = LIFETIME_S,
        limit: FailureLimit | None = None,
        limits: UserLimits | None = None,
    ) -> None:
        """*secret*: hashes and encrypts the secrets of users; the same on every node."""
        most = limits or UserLimits()
        self._database = database
        self._passwords = passwords
        self._clock = clock
        self._guard = Guard(database, limit or FailureLimit(), secret=secret, clock=clock)
        self.login = Login(database, passwords, self._guard, lifetime_s=lifetime_s, clock=clock, most=most.tokens)
        self.sessions = EmbeddedSessions(database, self.login, clock=clock)
        self.credentials = Credentials(database, passwords, clock=clock, most=most.credentials)
        vault = Vault(secret)
        self.access_keys = AccessKeys(database, vault, clock=clock, most_temporary=most.temporary_keys)
        self.signatures = Signatures(database, vault, secret, clock)
        self.directory = Directory(database)
        self.people = People(database, passwords, self._guard, clock=clock)
        self.projects = Projects(database, clock=clock)
        self.roles = Roles(database)

    async def principal_of(self, token: str, *, service_token: str | None = None) -> Principal:  # noqa: ARG002
        """See `identity.base.Identity`. One unit of work with one SELECT, because every API request needs it.

        Service tokens do not extend the life of our tokens, so *service_token* is ignored.
        """
        principal = (await self.token_of(token)).principal
        if principal.scope is None:
            raise Unauthenticated
        return principal

    async def token_of(self, token: str) -> Token:
        """Return the `Token` for the text *token*, scoped to a project or not.

        Raises:
            Unauthenticated: If it is not valid, has expired or was revoked.
        """
        valid = await self._find(token)
        if valid is None:
            raise Unauthenticated
        return valid

    async def validate(self, principal: Principal, subject: str) -> Token:
        """Return the token *subject*: any token for an admin or a service, otherwise the principal's own.

        Raises:
            NotFound: If it is not valid.
            Forbidden: If it is another user's.
        """
        token = await self._subject(subject)
        if not (_may_end(principal, token) or "service" in principal.roles):
            raise Forbidden("this token belongs to another user; only an admin or a service may see it")
        return token

    async def revoke(self, principal: Principal, subject: str) -> None:
        """Revoke the token *subject* alone: any token for an admin, otherwise the principal's own.

        Raises:
            NotFound: If it is not valid.
            Forbidden: If it is another user's.
        """
        token = await self._subject(subject)
        if not _may_end(principal, token):
            raise Forbidden("this token belongs to another user; only an admin may revoke it")
        await self._database.write(tokens.revoke, token.digest)

    async def forget_old(self) -> int:
        """Delete expired tokens and keys, and failures that no longer count. For the sweep.

        Returns:
            How many.
        """
        over = await self._database.write(tokens.forget_expired, self._clock())
        over += await self.access_keys.forget_old()
        return over + await self._guard.forget_old()

    def close(self) -> None:
        self._passwords.close()

    async def _subject(self, text: str) -> Token:
        token = await self._find(text)
        if token is None:
            raise NotFound("no such token; it may have expired or been revoked")
        return token

    async def _find(self, token: str) -> Token | None:
        if not is_token(token):
            return None
        return await self._database.look_up(tokens.find, digest_of(token), self._clock())


def _may_end(principal: Principal, token: Token) -> bool:
    return principal.is_admin or principal.user_id == token.user_id
