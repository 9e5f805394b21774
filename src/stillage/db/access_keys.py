"""Access keys: what signed requests are verified with. Plain functions of a connection, as in `db.images`.

What a key is worth is worked out anew at every use, from the rows as they are then. A temporary key hangs on the token
that it was got with: whatever ends that one ends the key in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from stillage.accounts.access_key import AccessKey, Holder
from stillage.db.tables import access_keys as table
from stillage.db.tables import projects, role_assignments, tokens, users
from stillage.errors import TooManyAccessKeys, Unauthenticated, UserLimitReached
from stillage.ids import ProjectId, UserId
from stillage.images.access import with_implied

PER_USER = 2
TEMPORARY_PER_USER = 1000
"""Temporary keys that a user may have, unless a setting says otherwise."""


# Built once: every signed request runs it.
FIND = (
    select(
        table,
        users.c.name.label("user_name"),
        projects.c.id.label("in_project"),
        projects.c.name.label("project_name"),
        role_assignments.c.role,
    )
    .select_from(table)
    .join(users, users.c.id == table.c.user_id)
    .outerjoin(
        projects,
        projects.c.enabled
        & (
            projects.c.id
            == func.coalesce(bindparam("project", type_=String), table.c.project_id, users.c.default_project_id)
        ),
    )
    .outerjoin(
        role_assignments,
        (role_assignments.c.user_id == table.c.user_id) & (role_assignments.c.project_id == projects.c.id),
    )
    .where(table.c.access == bindparam("access"), table.c.enabled, users.c.enabled)
)


def find_holder(connection: Connection, access: str, project: str | None) -> Holder | None:
    """Return the key, expired or not, if it and its user are enabled. *project*: None if the request names none."""
    rows = connection.execute(FIND, {"access": access, "project": project}).all()
    if not rows:
        return None
    key, row = _key(rows[0]), rows[0]
    roles = with_implied(frozenset(row.role for row in rows if row.role is not None))
    if not roles or (key.is_temporary and key.project_id not in (None, row.in_project)):
        return Holder(key, row.user_name, None, None, frozenset())
    return Holder(key, row.user_name, ProjectId(row.in_project), row.project_name, roles)


def find(connection: Connection, access: str) -> AccessKey | None:
    row = connection.execute(select(table).where(table.c.access == access)).first()
    return None if row is None else _key(row)


def list_of(connection: Connection, user_id: UserId) -> Sequence[AccessKey]:
    """Return the user's permanent keys, the oldest first."""
    own = (table.c.user_id == user_id) & table.c.token_hash.is_(None)
    return [_key(row) for row in connection.execute(select(table).where(own).order_by(table.c.created_at))]


def add_permanent(connection: Connection, key: AccessKey) -> None:
    """Store a new one.

    Raises:
        TooManyAccessKeys: If the user has `PER_USER` already.
    """
    # Locked, so that two simultaneous requests do not both find room.
    connection.execute(select(users.c.id).where(users.c.id == key.user_id).with_for_update())
    if len(list_of(connection, key.user_id)) >= PER_USER:
        raise TooManyAccessKeys(PER_USER)
    connection.execute(insert(table).values(_values(key)))


def add_temporary(connection: Connection, key: AccessKey, most: int = TEMPORARY_PER_USER) -> None:
    """Store a new one. Expired ones do not count.

    Raises:
        UserLimitReached: If the user has *most* of them.
        Unauthenticated: If the token that it was requested with has ended meanwhile.
    """
    connection.execute(select(users.c.id).where(users.c.id == key.user_id).with_for_update(key_share=True))
    _require_room(connection, key.user_id, key.created_at, most)
    connection.execute(select(tokens.c.hash).where(tokens.c.hash == key.token_hash).with_for_update(read=True))
    try:
        connection.execute(insert(table).values(_values(key)))
    except IntegrityError as error:
        raise Unauthenticated from error


def _require_room(connection: Connection, user_id: UserId, now: datetime, most: int) -> None:
    temporary = (table.c.user_id == user_id) & table.c.token_hash.is_not(None)
    if connection.execute(select(func.count()).where(temporary)).scalar_one() < most:
        return
    # Skip keys that a sweep is deleting: two transactions that wait for each other would both fail.
    expired = select(table.c.access).where(temporary, table.c.expires_at <= now).with_for_update(skip_locked=True)
    connection.execute(delete(table).where(table.c.access.in_(connection.execute(expired).scalars().all())))
    temporary &= table.c.expires_at > now
    used = connection.execute(select(func.count()).where(temporary)).scalar_one()
    if used >= most:
        fix = "wait until one expires, or revoke the token that some were got with"
        raise UserLimitReached("temporary access keys", most, used, fix)


def change(connection: Connection, access: str, *, enabled: bool | None, description: str | None) -> AccessKey | None:
    """Change what is not None, and return the key. None if there is none."""
    given = {"enabled": enabled, "description": description}
    changes = {column: value for column, value in given.items() if value is not None}
    if changes:
        connection.execute(update(table).where(table.c.access == access).values(changes))
    return find(connection, access)


def remove(connection: Connection, access: str) -> bool:
    """Delete it. False if there is none."""
    return connection.execute(delete(table).where(table.c.access == access)).rowcount == 1


def forget_expired(connection: Connection, now: datetime) -> int:
    """Delete expired temporary keys, and return how many."""
    return connection.execute(delete(table).where(table.c.expires_at <= now)).rowcount


COLUMNS = [column.name for column in table.c]


def _values(key: AccessKey) -> dict[str, Any]:
    return {column: getattr(key, column) for column in COLUMNS}


def _key(row: Row[Any]) -> AccessKey:
    return AccessKey(**{column: getattr(row, column) for column in COLUMNS})
