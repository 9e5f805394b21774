"""Log in: issue a token for a password, another token or an application credential."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stillage.accounts.credential import Credential
from stillage.accounts.login_request import (
    ByCredential,
    ByPassword,
    ByToken,
    LoginRequest,
    OtherScope,
    ProjectScope,
    Reference,
    Scope,
)
from stillage.accounts.people import User
from stillage.accounts.secrets import PREFIX, SESSION_PREFIX, digest_of, is_token, new_audit_id, new_token
from stillage.accounts.session import IDLE, LIFETIME
from stillage.accounts.token import NewToken, Token
from stillage.db import credentials, identity, tokens
from stillage.db.session import Database
from stillage.errors import InvalidInput, Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.ids import ProjectId, UserId
from stillage.operations.identity.guard import Guard


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token. Its text is not stored, and never shown again."""

    text: str = field(repr=False)
    token: Token


@dataclass(frozen=True, slots=True)
class TokenKind:
    """What is issued. *idle*: the longest time without a use; None for any."""

    prefix: str
    lifetime: timedelta
    idle: timedelta | None = None


SESSION = TokenKind(SESSION_PREFIX, LIFETIME, IDLE)


class Login:
    """Issues tokens. All failures give the same error and take the same time, so that they reveal nothing."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        guard: Guard,
        *,
        lifetime_s: float,
        clock: Callable[[], datetime],
        most: int = tokens.PER_USER,
    ) -> None:
        """*most*: how many tokens a user may have; beyond that the oldest are revoked."""
        self._most = most
        self._database = database
        self._passwords = passwords
        self._guard = guard
        self._token = TokenKind(PREFIX, timedelta(seconds=lifetime_s))
        self._clock = clock

    async def __call__(self, request: LoginRequest, address: str | None = None) -> Issued:
        """Return a new token.

        Args:
            request: The parsed request for a token.
            address: The client's address; None if unknown.

        Raises:
            Unauthenticated: If anything about the login is wrong.
            TooManyFailures: If this user or credential failed too often recently from this network.
            TooManyAtOnce, Unavailable: If too many logins are in progress, from this network or in total.
        """
        match request.method:
            case ByPassword():
                return await self._by_password(request.method, request.scope, address, self._token)
            case ByToken():
                return await self._by_token(request.method, request.scope, address)
            case ByCredential():
                return await self._by_credential(request.method, address)

    async def session(self, method: ByPassword, scope: Scope, address: str | None) -> Issued:
        """Begin a session of the console, in a project. Raises: As a call, and InvalidInput without a project."""
        return await self._by_password(method, scope, address, SESSION)

    async def session_for_link(self, digest: str, address: str | None) -> Issued:
        """Begin a session for the link with this digest, which ends; Unauthenticated if it has ended."""
        link = await self._database.look_up(tokens.find, digest, self._clock())
        if link is None:
            raise Unauthenticated
        text, new = self._new(link.user_id, link.project_id, link.methods, SESSION, address=address)
        return Issued(text, await self._database.write(tokens.issue_for_link, new, digest, self._most))

    async def without_password(self, user: User, project_id: ProjectId | None) -> Issued:
        """Return a token for *user* without a password: it is for administrative commands."""
        text, new = self._new(user.id, project_id, ("password",))
        return Issued(text, await self._database.write(tokens.issue, new, self._most))

    async def _by_password(self, method: ByPassword, scope: Scope, address: str | None, kind: TokenKind) -> Issued:
        user = await self._find_user(method.user)
        # Use the name even if the id was given, so that each user has one count.
        named = user.name if user else method.user.name or method.user.id
        async with self._guard.attempt(f"user {named}", address):
            matches = await self._passwords.verify((user and user.password_hash) or None, method.password)
            if user is None or not matches:
                raise Unauthenticated(user_id=user.id if user else None)
        project_id = await self._project(scope, user.id)
        if kind is SESSION and project_id is None:
            raise InvalidInput("name the project to sign in to: this user has no default project")
        text, new = self._new(user.id, project_id, ("password",), kind, address=address)
        return Issued(text, await self._database.write(tokens.issue_for_password, new, user.password_hash, self._most))

    async def _by_token(self, method: ByToken, scope: Scope, address: str | None) -> Issued:
        if not is_token(method.token):
            raise Unauthenticated
        parent = await self._database.look_up(tokens.find, digest_of(method.token), self._clock())
        if parent is None:
            raise Unauthenticated
        text, new = self._new(
            parent.user_id,
            await self._project_of_child(scope, parent),
            ("token", *(name for name in parent.methods if name != "token")),
            # Not valid longer than the old token; otherwise a leaked token could be renewed for ever.
            expires_at=parent.expires_at,
            credential_id=parent.credential.id if parent.credential else None,
            address=address,
        )
        return Issued(text, await self._database.write(tokens.issue_for_token, new, parent.digest, self._most))

    async def _by_credential(self, method: ByCredential, address: str | None) -> Issued:
        credential = await self._find_credential(method)
        named = credential.id if credential else method.id or f"{method.user} {method.name}"
        async with self._guard.attempt(f"credential {named}", address):
            matches = await self._passwords.verify(credential.secret_hash if credential else None, method.secret)
            if credential is None or not matches:
                raise Unauthenticated(user_id=credential.user_id if credential else None)
        text, new = self._new(
            credential.user_id,
            credential.project_id,
            ("application_credential",),
            expires_at=credential.expires_at,
            credential_id=credential.id,
            address=address,
        )
        return Issued(text, await self._database.write(tokens.issue, new, self._most))

    def _new(
        self,
        user_id: UserId,
        project_id: ProjectId | None,
        methods: tuple[str, ...],
        kind: TokenKind | None = None,
        *,
        expires_at: datetime | None = None,
        credential_id: str | None = None,
        address: str | None = None,
    ) -> tuple[str, NewToken]:
        """Return a new token's text and its row. *expires_at* may shorten its life."""
        now = self._clock()
        kind = kind or self._token
        end = now + kind.lifetime if expires_at is None else min(expires_at, now + kind.lifetime)
        idle_until = None if kind.idle is None else now + kind.idle
        text, audit_id = new_token(kind.prefix), new_audit_id()
        digest = digest_of(text)
        new = NewToken(digest, audit_id, user_id, project_id, methods, now, end, credential_id, idle_until, address)
        return text, new

    async def _project(self, scope: Scope, user_id: UserId) -> ProjectId | None:
        match scope:
            case ProjectScope(wanted):
                return await self._get_project(wanted)
            case OtherScope.UNSCOPED:
                return None
            case OtherScope.DEFAULT:
                return await self._database.read(identity.usable_default, user_id)
            case _:  # users have no roles in the domain or the system
                raise Unauthenticated

    async def _project_of_child(self, scope: Scope, parent: Token) -> ProjectId | None:
        if parent.credential is None:
            return await self._project(scope, parent.user_id)
        # An application credential is valid for its own project only.
        if scope is OtherScope.DEFAULT or await self._project(scope, parent.user_id) == parent.project_id:
            return parent.project_id
        raise Unauthenticated

    async def _get_project(self, wanted: Reference) -> ProjectId:
        project = await self._database.read(identity.find_project, project_id=wanted.id, name=wanted.name)
        if wanted.elsewhere or project is None:
            raise Unauthenticated
        return project.id

    async def _find_user(self, wanted: Reference) -> User | None:
        user = await self._database.read(identity.find_user, user_id=wanted.id, name=wanted.name)
        return None if wanted.elsewhere else user

    async def _find_credential(self, method: ByCredential) -> Credential | None:
        if method.id is not None:
            return await self._database.read(credentials.find, method.id)
        user = await self._find_user(method.user or Reference(None))
        if user is None or method.name is None:
            return None
        return await self._database.read(credentials.find_by_name, user.id, method.name)
