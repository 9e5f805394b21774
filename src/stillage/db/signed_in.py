"""Where a user is signed in: their sessions, and the tokens of programs. Plain functions of a connection."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from stillage.accounts.principal import Kind
from stillage.accounts.session import SignedIn, SignInKind, last_use
from stillage.db.tables import application_credentials, projects, tokens
from stillage.ids import UserId

MOST = 1000
"""A list has the newest ones: what a user may have is a setting, and can be more."""


def of_user(connection: Connection, user_id: UserId, now: datetime, current: str | None) -> list[SignedIn]:
    """Return what is good *now*, the newest first. *current*: the digest of what the request came with."""
    rows = connection.execute(
        select(tokens, projects.c.name.label("project_name"), application_credentials.c.name.label("credential_name"))
        .select_from(tokens)
        .outerjoin(projects, projects.c.id == tokens.c.project_id)
        .outerjoin(application_credentials, application_credentials.c.id == tokens.c.application_credential_id)
        .where(
            tokens.c.user_id == user_id,
            tokens.c.expires_at > now,
            or_(tokens.c.idle_until.is_(None), tokens.c.idle_until > now),
        )
        .order_by(tokens.c.issued_at.desc(), tokens.c.hash)
        .limit(MOST)
    )
    return [_signed_in(row, current) for row in rows]


def end(connection: Connection, user_id: UserId, audit_id: str) -> bool:
    """End one of them. False if the user has none with this id."""
    its_own = (tokens.c.user_id == user_id) & (tokens.c.audit_id == audit_id)
    return connection.execute(delete(tokens).where(its_own)).rowcount > 0


def _signed_in(row: Any, current: str | None) -> SignedIn:
    return SignedIn(
        id=row.audit_id,
        kind=_kind_of(row),
        project_id=row.project_id,
        project_name=row.project_name,
        credential=row.credential_name,
        begun_at=row.issued_at,
        used_at=None if row.idle_until is None else last_use(row.issued_at, row.idle_until),
        expires_at=row.expires_at,
        idle_until=row.idle_until,
        address=row.address,
        is_current=row.hash == current,
    )


def _kind_of(row: Any) -> SignInKind:
    if row.idle_until is not None:
        return SignInKind.SESSION
    if Kind.LINK in row.methods:
        return SignInKind.LINK
    return SignInKind.TOKEN if row.application_credential_id is None else SignInKind.APPLICATION_CREDENTIAL
