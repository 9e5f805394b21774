"""Sign in to the console with an external Keystone, and out: a session keeps Keystone's token, encrypted."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from stillage.accounts.principal import Kind, Principal
from stillage.accounts.secrets import SESSION_PREFIX, digest_of, is_token, new_audit_id, new_token
from stillage.accounts.session import (
    IDLE,
    LIFETIME,
    ByForm,
    Opened,
    Session,
    SignedIn,
    SignIn,
    SignInKind,
    last_use,
    renewed,
    require_may_end,
)
from stillage.db import sessions
from stillage.db.session import Database
from stillage.db.sessions import SessionRow
from stillage.errors import NotFound, SecretUnreadable, Unauthenticated, Unavailable
from stillage.identity.base import Identity
from stillage.identity.keystone.users import LoggedIn, log_in, log_out
from stillage.identity.vault import Vault
from stillage.operations.identity.guard import FailureLimit, Guard
from stillage.peers import Peer


class KeystoneSessions:
    """Implements `identity.base.Sessions`. A session ends with the token that Keystone gave, at the latest."""

    def __init__(
        self, database: Database, keystone: Peer, identity: Identity, *, secret: bytes, clock: Callable[[], datetime]
    ) -> None:
        """*secret*: of the deployment; it encrypts the tokens."""
        self._database = database
        self._keystone = keystone
        self._identity = identity
        self._vault = Vault(secret)
        self._guard = Guard(database, FailureLimit(), secret=secret, clock=clock)
        self._clock = clock

    async def sign_in(self, wanted: SignIn, address: str | None) -> Opened:
        """See `identity.base.Sessions`. Keystone sees one address, ours, so failures are limited here."""
        if not isinstance(wanted, ByForm):
            raise Unauthenticated
        async with self._guard.attempt(f"user {wanted.user} of {wanted.domain}", address):
            user = await log_in(self._keystone, wanted)
        text = new_token(SESSION_PREFIX)
        row = self._row(digest_of(text), user, address)
        await self._database.write(sessions.add, row)
        return Opened(text, await self._session(row))

    async def find(self, text: str, *, is_use: bool = True) -> Session:
        """See `identity.base.Sessions`."""
        session = await self._session(await self._get(text))
        if is_use and (used := renewed(session, self._clock())):
            await self._database.write(sessions.use, digest_of(text), used.idle_until)
            return used
        return session

    async def end(self, text: str) -> None:
        """See `identity.base.Sessions`. The token is revoked as well, if Keystone can be reached."""
        await self._end(await self._get(text))

    async def list_of(self, principal: Principal, current: str | None) -> Sequence[SignedIn]:
        """See `identity.base.Sessions`. Other tokens of the user are Keystone's."""
        digest = None if current is None else digest_of(current)
        rows = await self._database.read(sessions.of_user, principal.user_id, self._clock())
        return [_signed_in(row, digest) for row in rows]

    async def end_of(self, principal: Principal, audit_id: str) -> None:
        """See `identity.base.Sessions`."""
        require_may_end(principal)
        rows = await self._database.read(sessions.of_user, principal.user_id, self._clock())
        found = next((row for row in rows if row.audit_id == audit_id), None)
        if found is None:
            raise NotFound(f"you are not signed in as {audit_id[:40]!r}; GET /console/sessions lists where you are")
        await self._end(found)

    async def _end(self, row: SessionRow) -> None:
        await self._database.write(sessions.end, row.digest)
        with suppress(Unavailable, Unauthenticated):
            await log_out(self._keystone, self._token(row))

    async def forget_old(self) -> int:
        """Delete sessions that have ended, and failures that no longer count. For the sweep."""
        over = await self._database.write(sessions.forget_expired, self._clock())
        return over + await self._guard.forget_old()

    def _row(self, digest: str, user: LoggedIn, address: str | None) -> SessionRow:
        now, known = self._clock(), user.validated
        expires_at = min(now + LIFETIME, known.expires_at)
        return SessionRow(
            digest=digest,
            audit_id=new_audit_id(),
            user_id=known.user_id,
            project_id=known.project_id or "",
            project_name=known.project_name,
            address=address,
            sealed=self._vault.seal(_name(digest), user.token),
            begun_at=now,
            expires_at=expires_at,
            idle_until=min(now + IDLE, expires_at),
        )

    async def _get(self, text: str) -> SessionRow:
        row = None
        if is_token(text, SESSION_PREFIX):
            row = await self._database.look_up(sessions.find, digest_of(text), self._clock())
        if row is None:
            raise Unauthenticated
        return row

    async def _session(self, row: SessionRow) -> Session:
        principal = await self._identity.principal_of(self._token(row))
        return Session(replace(principal, kind=Kind.SESSION), row.expires_at, row.idle_until)

    def _token(self, row: SessionRow) -> str:
        try:
            return self._vault.open(_name(row.digest), row.sealed)
        except SecretUnreadable as error:  # the deployment has another secret now
            raise Unauthenticated from error


def _signed_in(row: SessionRow, current: str | None) -> SignedIn:
    return SignedIn(
        id=row.audit_id,
        kind=SignInKind.SESSION,
        project_id=row.project_id,
        project_name=row.project_name,
        credential=None,
        begun_at=row.begun_at,
        used_at=last_use(row.begun_at, row.idle_until),
        expires_at=row.expires_at,
        idle_until=row.idle_until,
        address=row.address,
        is_current=row.digest == current,
    )


def _name(digest: str) -> str:
    return f"token of the session {digest}"
