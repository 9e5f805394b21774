"""Application credentials: passwords for programs, each for one project and some of its owner's roles there.

Plain functions of a connection, as in `db.images`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from stillage.accounts.credential import Credential
from stillage.db.tables import application_credentials as table
from stillage.db.tables import users
from stillage.errors import AlreadyExists, UserLimitReached
from stillage.ids import UserId

PER_USER = 100
"""Application credentials that a user may have, unless a setting says otherwise."""


def add(connection: Connection, credential: Credential, now: datetime, most: int = PER_USER) -> None:
    """Store a new one. Expired ones do not count, and are deleted to make room, the oldest first.

    Raises:
        UserLimitReached: If its owner has *most* of them.
        AlreadyExists: If its owner has one of this name.
    """
    # Locked, so that two simultaneous requests do not both find room.
    connection.execute(select(users.c.id).where(users.c.id == credential.user_id).with_for_update(key_share=True))
    _make_room(connection, credential.user_id, now, most)
    values = {column: getattr(credential, column) for column in COLUMNS} | {"roles": list(credential.roles)}
    try:
        connection.execute(insert(table).values(**values, created_at=now))
    except IntegrityError as error:
        raise AlreadyExists(f"there is an application credential {credential.name!r} already") from error


def _make_room(connection: Connection, user_id: UserId, now: datetime, most: int) -> None:
    mine, expired = table.c.user_id == user_id, table.c.expires_at <= now
    total = connection.execute(select(func.count()).where(mine)).scalar_one()
    if total < most:
        return
    old = connection.execute(select(table.c.id).where(mine, expired).order_by(table.c.expires_at)).scalars().all()
    if total - len(old) >= most:
        raise UserLimitReached("application credentials", most, total - len(old), "delete one that is not needed")
    for credential_id in old[: total - most + 1]:
        remove(connection, credential_id)


def find(connection: Connection, credential_id: str) -> Credential | None:
    row = connection.execute(select(table).where(table.c.id == credential_id)).first()
    return None if row is None else _credential(row)


def find_by_name(connection: Connection, user_id: UserId, name: str) -> Credential | None:
    row = connection.execute(select(table).where(table.c.user_id == user_id, table.c.name == name)).first()
    return None if row is None else _credential(row)


def list_of(connection: Connection, user_id: UserId) -> Sequence[Credential]:
    """Return the user's, by name."""
    rows = connection.execute(select(table).where(table.c.user_id == user_id).order_by(table.c.name))
    return [_credential(row) for row in rows]


def remove(connection: Connection, credential_id: str) -> bool:
    """Delete it and the tokens issued for it. False if there is none."""
    return connection.execute(delete(table).where(table.c.id == credential_id)).rowcount == 1


COLUMNS = [column.name for column in table.c if column.name != "created_at"]


def _credential(row: Row[Any]) -> Credential:
    values = {column: getattr(row, column) for column in COLUMNS}
    return Credential(**values | {"roles": tuple(row.roles)})
