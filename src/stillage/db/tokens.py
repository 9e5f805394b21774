"""Tokens. The rights of a token are computed at every use, from the rows as they are then.

Plain functions of a connection, as in `db.images`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from stillage.accounts.token import CredentialOf, NewToken, Token
from stillage.db.columns import UtcTime
from stillage.db.lookups import Keys, Lookup, Rows
from stillage.db.tables import application_credentials, projects, role_assignments, tokens, users
from stillage.errors import Unauthenticated
from stillage.ids import ProjectId, UserId
from stillage.images.access import with_implied

PER_USER = 1000
"""Tokens that a user may have, unless a setting says otherwise."""


def issue(connection: Connection, new: NewToken, most: int = PER_USER) -> Token:
    """Store a token and return it with its rights. If its user then has more than *most*, old ones end.

    Raises:
        Unauthenticated: If it would carry no rights: the user or project is disabled, or the user has no role there.
    """
    _hold(connection, new)
    return _insert(connection, new, most)


def issue_for_password(connection: Connection, new: NewToken, password_hash: str, most: int = PER_USER) -> Token:
    """`issue`, unless the password was changed since it was checked."""
    _hold(connection, new)
    if connection.execute(select(users.c.password_hash).where(users.c.id == new.user_id)).scalar() != password_hash:
        raise Unauthenticated
    return _insert(connection, new, most)


def issue_for_token(connection: Connection, new: NewToken, parent: str, most: int = PER_USER) -> Token:
    """`issue`, unless the token with the digest *parent* was revoked since it was checked."""
    _hold(connection, new)
    held = select(tokens.c.hash).where(tokens.c.hash == parent).with_for_update(read=True)
    if connection.execute(held).first() is None:
        raise Unauthenticated
    return _insert(connection, new, most)


def issue_for_link(connection: Connection, new: NewToken, link: str, most: int = PER_USER) -> Token:
    """`issue`, for the link with the digest *link*, which ends: of several requests with it one succeeds."""
    _hold(connection, new)
    if not revoke(connection, link):
        raise Unauthenticated
    return _insert(connection, new, most)


def use(connection: Connection, digest: str, idle_until: datetime) -> None:
    """Write down that a session is used, and so ends later."""
    connection.execute(update(tokens).where(tokens.c.hash == digest).values(idle_until=idle_until))


def revoke(connection: Connection, digest: str) -> bool:
    """End one token. False if there is none."""
    return connection.execute(delete(tokens).where(tokens.c.hash == digest)).rowcount == 1


def forget_expired(connection: Connection, now: datetime) -> int:
    """Delete expired tokens, and return how many."""
    return connection.execute(delete(tokens).where(tokens.c.expires_at <= now)).rowcount


def _hold(connection: Connection, new: NewToken) -> None:
    # A change of password or role waits until the token is stored, and then ends it; or we wait and see the change.
    # Two logins of one user wait for each other too, so that both count. SQLite has one writer at a time and ignores
    # this.
    connection.execute(select(users.c.id).where(users.c.id == new.user_id).with_for_update(key_share=True))
    if new.project_id is not None:
        connection.execute(select(projects.c.id).where(projects.c.id == new.project_id).with_for_update(read=True))


def _insert(connection: Connection, new: NewToken, most: int) -> Token:
    values = {
        "hash": new.digest,
        "audit_id": new.audit_id,
        "user_id": new.user_id,
        "project_id": new.project_id,
        "methods": list(new.methods),
        "application_credential_id": new.credential_id,
        "issued_at": new.issued_at,
        "expires_at": new.expires_at,
        "idle_until": new.idle_until,
        "address": new.address,
    }
    try:
        connection.execute(insert(tokens).values(values))
    except IntegrityError as error:  # the application credential was deleted since it was checked
        raise Unauthenticated from error
    token = find(connection, new.digest, new.issued_at)
    if token is None:
        raise Unauthenticated
    _end_surplus(connection, new, most)
    return token


def _end_surplus(connection: Connection, new: NewToken, most: int) -> None:
    of_user = tokens.c.user_id == new.user_id
    if connection.execute(select(func.count()).where(of_user)).scalar_one() <= most:
        return
    rows = connection.execute(
        select(tokens.c.hash, tokens.c.application_credential_id, tokens.c.expires_at, tokens.c.idle_until)
        .where(of_user, tokens.c.hash != new.digest)
        .order_by(tokens.c.issued_at.desc())
    ).all()
    ends = {row.hash: min(row.expires_at, row.idle_until or row.expires_at) for row in rows}
    expired = [row.hash for row in rows if ends[row.hash] <= new.issued_at]
    others = [(row.hash, _group(row)) for row in rows if ends[row.hash] > new.issued_at]
    over = expired + surplus(others, most - 1)
    for start in range(0, len(over), 500):  # SQLite limits the parameters of a statement
        # Skip tokens that another transaction is ending: two that wait for each other would both fail.
        named = tokens.c.hash.in_(over[start : start + 500])
        unlocked = connection.execute(select(tokens.c.hash).where(named).with_for_update(skip_locked=True))
        connection.execute(delete(tokens).where(tokens.c.hash.in_(unlocked.scalars().all())))


def _group(row: Any) -> str | None:
    """Return what the token belongs to in `surplus`: sessions to none that a program could have."""
    return "session" if row.idle_until is not None else row.application_credential_id


def surplus(newest_first: Sequence[tuple[str, str | None]], most: int) -> list[str]:
    """Return the tokens of a user to end: the oldest of the application credential that has the most.

    Tokens without one count as a group of their own, and sessions as another. On a tie the oldest of all ends.

    So a program that logs in again and again ends tokens of its own, and none of a service that has an application
    credential to itself.

    Args:
        newest_first: The digest of each, and its group.
        most: How many may stay.
    """
    groups: dict[str | None, list[tuple[int, str]]] = {}
    for age, (digest, credential_id) in enumerate(newest_first):
        groups.setdefault(credential_id, []).append((age, digest))

    def size_and_age(group: list[tuple[int, str]]) -> tuple[int, int]:
        return len(group), group[-1][0] if group else 0

    return [max(groups.values(), key=size_and_age).pop()[1] for _ in range(len(newest_first) - most)]


def _token(rows: Rows) -> Token | None:
    if not rows:
        return None
    row = rows[0]
    roles = with_implied(frozenset(row.role for row in rows if row.role is not None))
    if row.application_credential_id is not None:
        roles &= with_implied(frozenset(row.credential_roles))
    if row.project_id is not None and not roles:
        return None
    return Token(
        digest=row.hash,
        audit_id=row.audit_id,
        user_id=UserId(row.user_id),
        user_name=row.user_name,
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        project_name=row.project_name,
        roles=roles,
        methods=tuple(row.methods),
        credential=_credential(row),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        idle_until=row.idle_until,
    )


def _credential(row: Any) -> CredentialOf | None:
    if row.application_credential_id is None:
        return None
    return CredentialOf(row.application_credential_id, row.credential_name, row.restricted)


def _keys(digest: str, now: datetime) -> Keys:
    return {"digest": digest, "now": now}


# Every API request runs it. Disabled users and projects, and time, end a token without touching it.
FIND = (
    select(
        tokens,
        users.c.name.label("user_name"),
        projects.c.name.label("project_name"),
        role_assignments.c.role,
        application_credentials.c.name.label("credential_name"),
        application_credentials.c.roles.label("credential_roles"),
        application_credentials.c.restricted,
    )
    .select_from(tokens)
    .join(users, users.c.id == tokens.c.user_id)
    .outerjoin(projects, projects.c.id == tokens.c.project_id)
    .outerjoin(
        role_assignments,
        (role_assignments.c.user_id == tokens.c.user_id) & (role_assignments.c.project_id == tokens.c.project_id),
    )
    .outerjoin(application_credentials, application_credentials.c.id == tokens.c.application_credential_id)
    .where(
        tokens.c.hash == bindparam("digest"),
        tokens.c.expires_at > bindparam("now", type_=UtcTime),
        or_(tokens.c.idle_until.is_(None), tokens.c.idle_until > bindparam("now", type_=UtcTime)),
        users.c.enabled,
        or_(tokens.c.project_id.is_(None), projects.c.enabled),
    )
)
find = Lookup(FIND, _keys, _token)
"""Returns the token if it is good *now*; a token for a project in which no role is left is not."""
