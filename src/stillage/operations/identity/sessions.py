"""Sign in to the console, and out: sessions are rows of the token table, which end as tokens do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from stillage.accounts.login_request import ByPassword, OtherScope, ProjectScope, Reference
from stillage.accounts.names import is_default_domain
from stillage.accounts.principal import Kind, Principal
from stillage.accounts.secrets import LINK_PREFIX, SESSION_PREFIX, digest_of, is_token, new_audit_id, new_token
from stillage.accounts.session import (
    LINK_LIFETIME,
    ByForm,
    Opened,
    Session,
    SignedIn,
    SignIn,
    renewed,
    require_may_end,
)
from stillage.accounts.token import NewToken, Token
from stillage.db import identity, signed_in, tokens
from stillage.db.session import Database
from stillage.errors import NotFound, Unauthenticated
from stillage.operations.identity.login import Login


class EmbeddedSessions:
    """Implements `identity.base.Sessions` over our own tables."""

    def __init__(self, database: Database, login: Login, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._login = login
        self._clock = clock

    async def sign_in(self, wanted: SignIn, address: str | None) -> Opened:
        """See `identity.base.Sessions`."""
        if isinstance(wanted, ByForm):
            issued = await self._login.session(*_login_of(wanted), address)
        elif is_token(wanted.link, LINK_PREFIX):
            issued = await self._login.session_for_link(digest_of(wanted.link), address)
        else:
            raise Unauthenticated
        return Opened(issued.text, _session(issued.token))

    async def find(self, text: str, *, is_use: bool = True) -> Session:
        """See `identity.base.Sessions`."""
        token = None
        if is_token(text, SESSION_PREFIX):
            token = await self._database.look_up(tokens.find, digest_of(text), self._clock())
        if token is None:
            raise Unauthenticated
        session = _session(token)
        if is_use and (used := renewed(session, self._clock())):
            await self._database.write(tokens.use, token.digest, used.idle_until)
            return used
        return session

    async def end(self, text: str) -> None:
        """See `identity.base.Sessions`."""
        await self._database.write(tokens.revoke, digest_of(text))

    async def list_of(self, principal: Principal, current: str | None) -> Sequence[SignedIn]:
        """See `identity.base.Sessions`. The tokens of programs are among them."""
        digest = None if current is None else digest_of(current)
        return await self._database.read(signed_in.of_user, principal.user_id, self._clock(), digest)

    async def end_of(self, principal: Principal, audit_id: str) -> None:
        """See `identity.base.Sessions`."""
        require_may_end(principal)
        if not await self._database.write(signed_in.end, principal.user_id, audit_id):
            raise NotFound(f"you are not signed in as {audit_id[:40]!r}; GET /console/sessions lists where you are")


async def new_link(database: Database, user: str, *, clock: Callable[[], datetime]) -> str | None:
    """Return what begins a session of *user*, once, without a password: it is for whoever operates the server.

    None if the user is disabled, or has no role in their default project.
    """
    found = await database.read(identity.find_user, name=user)
    project_id = await database.read(identity.usable_default, found.id) if found is not None else None
    if found is None or not found.enabled or project_id is None:
        return None
    now, text = clock(), new_token(LINK_PREFIX)
    end = now + LINK_LIFETIME
    new = NewToken(digest_of(text), new_audit_id(), found.id, project_id, (Kind.LINK,), now, end)
    await database.write(tokens.issue, new)
    return text


def _login_of(form: ByForm) -> tuple[ByPassword, ProjectScope | OtherScope]:
    elsewhere = not is_default_domain(domain_id=None, name=form.domain)
    method = ByPassword(Reference(None, form.user, elsewhere), form.password)
    if form.project is None:
        return method, OtherScope.DEFAULT
    return method, ProjectScope(Reference(None, form.project, elsewhere))


def _session(token: Token) -> Session:
    kind = Kind.LINK if Kind.LINK in token.methods else Kind.SESSION
    principal = replace(token.principal, kind=kind)
    return Session(principal, token.expires_at, token.idle_until or token.expires_at)
