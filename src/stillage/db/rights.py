"""The rights that a grant carries now: read from the rows at every use, as those of a token are.

Plain functions of a connection, as in `db.images`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, bindparam, select

from stillage.accounts.principal import Kind, Principal
from stillage.db.tables import access_keys, application_credentials, projects, role_assignments, users
from stillage.errors import RightsLost
from stillage.images.access import with_implied
from stillage.images.upload import Grant

# Built once: every piece of a resumable upload runs it.
FIND = (
    select(
        users.c.enabled,
        projects.c.enabled.label("project_enabled"),
        role_assignments.c.role,
        application_credentials.c.roles.label("credential_roles"),
        application_credentials.c.expires_at.label("credential_ends"),
        access_keys.c.enabled.label("key_enabled"),
    )
    .select_from(users)
    .outerjoin(projects, projects.c.id == bindparam("project", type_=String))
    .outerjoin(
        role_assignments,
        (role_assignments.c.user_id == users.c.id) & (role_assignments.c.project_id == projects.c.id),
    )
    .outerjoin(application_credentials, application_credentials.c.id == bindparam("credential", type_=String))
    .outerjoin(access_keys, access_keys.c.access == bindparam("key", type_=String))
    .where(users.c.id == bindparam("user", type_=String))
)


def find(connection: Connection, grant: Grant, now: datetime) -> Principal:
    """Return the principal that *grant* makes now.

    Raises:
        RightsLost: If it carries none.
    """
    credential, key = _through(grant)
    asked = {"user": grant.user_id, "project": grant.project_id, "credential": credential, "key": key}
    rows = connection.execute(FIND, asked).all()
    if (why := _lost(rows, credential, key, now)) is not None:
        raise RightsLost(why)
    return Principal(
        grant.user_id,
        grant.project_id,
        _roles(rows, credential),
        kind=grant.kind,
        through=grant.through,
    )


def grant_of(kept: Mapping[str, Any]) -> Grant:
    """Return the grant that a column keeps."""
    return Grant(**{**kept, "kind": Kind(kept["kind"])})


def hold(connection: Connection, grant: Grant) -> None:
    """Lock the rights of *grant*: nobody can take them away before this transaction has ended.

    The user before the project, as `db.tokens` does.
    """
    credential, key = _through(grant)
    for column, value in (
        (users.c.id, grant.user_id),
        (projects.c.id, grant.project_id),
        (application_credentials.c.id, credential),
        (access_keys.c.access, key),
    ):
        if value is not None:
            connection.execute(select(column).where(column == value).with_for_update(read=True))


def _through(grant: Grant) -> tuple[str | None, str | None]:
    """Return the application credential and the access key that *grant* depends on."""
    by_credential = grant.kind is Kind.APPLICATION_CREDENTIAL
    return (grant.through, None) if by_credential else (None, grant.through)


def _lost(rows: Sequence[Any], credential: str | None, key: str | None, now: datetime) -> str | None:
    """Return why the grant is worth nothing; None if it is worth something."""
    if not rows or not rows[0].enabled:
        return "its user is disabled or does not exist any more"
    row = rows[0]
    if not row.project_enabled:
        return "its user's project is disabled or does not exist any more"
    ended = row.credential_ends is not None and row.credential_ends <= now
    if credential is not None and (row.credential_roles is None or ended):
        return "the application credential that it was opened with has expired or was deleted"
    if key is not None and not row.key_enabled:
        return "the access key that it was opened with is disabled or was deleted"
    if not _roles(rows, credential):
        return "its user has no role in the project any more"
    return None


def _roles(rows: Sequence[Any], credential: str | None) -> frozenset[str]:
    roles = with_implied(frozenset(row.role for row in rows if row.role is not None))
    return roles if credential is None else roles & with_implied(frozenset(rows[0].credential_roles))
