"""Change, delete and list users and projects, by their ids. Plain functions of a connection, as in `db.images`.

What takes rights away ends the tokens that carried them, and is refused if nobody could administer any more. Rows are
locked in this order: administrators by id, the user, the project.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from stillage.accounts.people import Assignment, Project, User
from stillage.db import identity, quotas
from stillage.db.tables import (
    access_keys,
    application_credentials,
    images,
    jobs,
    projects,
    role_assignments,
    tokens,
    usage,
    users,
)
from stillage.errors import AlreadyExists, InvalidInput, LastAdministrator, NotFound, ProjectInUse
from stillage.ids import ProjectId, UserId
from stillage.images.quota import Limits, scope_of_project

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Page:
    """Which users or projects to list: by name, behind the one with the id *marker*.

    Attributes:
        limit: Of the page. One more is listed if there are more.
        contains: Text in the name, in any case of letters.
    """

    limit: int
    marker: str | None = None
    name: str | None = None
    contains: str | None = None
    enabled: bool | None = None

    def wants(self, thing: User | Project) -> bool:
        """True if *thing* passes the filters."""
        return (
            self.name in (None, thing.name)
            and (self.contains or "").lower() in thing.name.lower()
            and self.enabled in (None, thing.enabled)
        )


def page_of_users(connection: Connection, page: Page) -> Sequence[User]:
    return [identity.user_of(row) for row in _page(connection, users, page)]


def page_of_projects(connection: Connection, page: Page) -> Sequence[Project]:
    return [identity.project_of(row) for row in _page(connection, projects, page)]


def change_user(connection: Connection, user_id: UserId, values: Mapping[str, Any], extra: Mapping[str, Any]) -> User:
    """Set columns of a user, and members of `User.extra`, and return the user.

    Their tokens end if they were enabled, disabled or given another password.

    Raises:
        NotFound: If there is no such user, or no such default project.
        AlreadyExists: If the name is taken.
        LastAdministrator: If nobody could administer any more.
    """
    _hold_administrators(connection)
    user = _held_user(connection, user_id)
    if (project_id := values.get("default_project_id")) is not None:
        require_project(connection, project_id)
    new = {**values, "extra": _merged(user.extra, extra)}
    try:
        connection.execute(update(users).where(users.c.id == user_id).values(new))
    except IntegrityError as error:
        raise AlreadyExists(f"there is a user {values.get('name')!r} already") from error
    if "password_hash" in values or values.get("enabled", user.enabled) != user.enabled:
        connection.execute(delete(tokens).where(tokens.c.user_id == user_id))
    require_administrator(connection)
    return _held_user(connection, user_id)


def delete_user(connection: Connection, user_id: UserId) -> None:
    """Delete a user with their roles, tokens and keys; NotFound and LastAdministrator as `change_user`."""
    _hold_administrators(connection)
    _held_user(connection, user_id)
    for table in (access_keys, tokens, application_credentials, role_assignments):
        connection.execute(delete(table).where(table.c.user_id == user_id))
    connection.execute(delete(users).where(users.c.id == user_id))
    require_administrator(connection)


def change_project(
    connection: Connection, project_id: ProjectId, values: Mapping[str, Any], extra: Mapping[str, Any]
) -> Project:
    """Set columns of a project, and members of `Project.extra`, and return it.

    Its tokens end if it was enabled or disabled.

    Raises:
        NotFound, AlreadyExists, LastAdministrator: As `change_user`.
    """
    _hold_administrators(connection)
    project = _held_project(connection, project_id)
    new = {**values, "extra": _merged(project.extra, extra)}
    try:
        connection.execute(update(projects).where(projects.c.id == project_id).values(new))
    except IntegrityError as error:
        raise AlreadyExists(f"there is a project {values.get('name')!r} already") from error
    if values.get("enabled", project.enabled) != project.enabled:
        connection.execute(delete(tokens).where(tokens.c.project_id == project_id))
    require_administrator(connection)
    return _held_project(connection, project_id)


def delete_project(connection: Connection, project_id: ProjectId) -> None:
    """Delete a project, the roles in it, and the tokens and application credentials for it.

    Raises:
        NotFound, LastAdministrator: As `change_user`.
        ProjectInUse: If it has images, or jobs that have not ended.
    """
    _hold_administrators(connection)
    connection.execute(update(users).where(users.c.default_project_id == project_id).values(default_project_id=None))
    project = _held_project(connection, project_id)
    _require_unused(connection, project)
    connection.execute(update(access_keys).where(access_keys.c.project_id == project_id).values(project_id=None))
    for table in (tokens, application_credentials, role_assignments):
        connection.execute(delete(table).where(table.c.project_id == project_id))
    # What a sweep has not removed yet still counts, and changes the row when it is.
    quotas.change(connection, project_id, Limits())
    unused = (usage.c.bytes == 0) & (usage.c.images == 0) & (usage.c.uploads == 0)
    connection.execute(delete(usage).where(usage.c.scope == scope_of_project(project_id), unused))
    connection.execute(delete(projects).where(projects.c.id == project_id))
    require_administrator(connection)


def grant(connection: Connection, user_id: UserId, project_id: ProjectId, role: str) -> bool:
    """`identity.grant`, and NotFound if there is no such user or project."""
    _held_user(connection, user_id)
    require_project(connection, project_id)
    return identity.grant(connection, user_id, project_id, role)


def revoke(connection: Connection, user_id: UserId, project_id: ProjectId, role: str) -> bool:
    """`identity.revoke`, and LastAdministrator if nobody could administer any more."""
    _hold_administrators(connection)
    removed = identity.revoke(connection, user_id, project_id, role)
    require_administrator(connection)
    return removed


def assignments(
    connection: Connection, *, user_id: str | None = None, project_id: str | None = None
) -> Sequence[Assignment]:
    """Return the roles that users have in projects, without implied ones: all, of one user, in one project."""
    query = (
        select(role_assignments, users.c.name.label("user_name"), projects.c.name.label("project_name"))
        .join(users, users.c.id == role_assignments.c.user_id)
        .join(projects, projects.c.id == role_assignments.c.project_id)
        .order_by(projects.c.name, users.c.name, role_assignments.c.role)
    )
    if user_id is not None:
        query = query.where(role_assignments.c.user_id == user_id)
    if project_id is not None:
        query = query.where(role_assignments.c.project_id == project_id)
    return [
        Assignment(UserId(row.user_id), row.user_name, ProjectId(row.project_id), row.project_name, row.role)
        for row in connection.execute(query)
    ]


def roles(connection: Connection) -> Sequence[str]:
    """Return the names of the roles that somebody has."""
    return connection.execute(select(role_assignments.c.role).distinct()).scalars().all()


def require_project(connection: Connection, project_id: ProjectId) -> None:
    """Raise NotFound unless there is such a project, which then stays until this transaction ends."""
    held = select(projects.c.id).where(projects.c.id == project_id).with_for_update(read=True, key_share=True)
    if connection.execute(held).first() is None:
        raise _no_project(project_id)


def require_administrator(connection: Connection) -> None:
    """Raise LastAdministrator unless somebody can log in with the role `admin`."""
    able = (
        select(users.c.id)
        .join(role_assignments, role_assignments.c.user_id == users.c.id)
        .join(projects, projects.c.id == role_assignments.c.project_id)
        .where(role_assignments.c.role == ADMIN, users.c.enabled, projects.c.enabled)
    )
    if connection.execute(able.limit(1)).first() is None:
        raise LastAdministrator


def _hold_administrators(connection: Connection) -> None:
    # Otherwise two administrators could disable each other at the same moment.
    held = select(role_assignments.c.user_id).where(role_assignments.c.role == ADMIN)
    connection.execute(select(users.c.id).where(users.c.id.in_(held)).order_by(users.c.id).with_for_update())


def _held_user(connection: Connection, user_id: UserId) -> User:
    row = connection.execute(select(users).where(users.c.id == user_id).with_for_update()).first()
    if row is None:
        raise NotFound(f"there is no user {user_id[:80]!r}")
    return identity.user_of(row)


def _held_project(connection: Connection, project_id: ProjectId) -> Project:
    row = connection.execute(select(projects).where(projects.c.id == project_id).with_for_update()).first()
    if row is None:
        raise _no_project(project_id)
    return identity.project_of(row)


def _no_project(project_id: ProjectId) -> NotFound:
    return NotFound(f"there is no project {project_id[:80]!r}")


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def _require_unused(connection: Connection, project: Project) -> None:
    live = select(func.count()).where(images.c.owner == project.id, images.c.deleted_at.is_(None))
    open_jobs = select(func.count()).where(jobs.c.project_id == project.id, jobs.c.ended_at.is_(None))
    counts = [connection.execute(query).scalar_one() for query in (live, open_jobs)]
    if any(counts):
        raise ProjectInUse(project.name, *counts)


def _page(connection: Connection, table: Table, page: Page) -> Sequence[Row[Any]]:
    query = select(table).where(*_conditions(table, page)).order_by(table.c.name).limit(page.limit + 1)
    if page.marker is not None:
        name = connection.execute(select(table.c.name).where(table.c.id == page.marker)).scalar()
        if name is None:
            raise InvalidInput(f"marker: nothing has the id {page.marker[:80]!r}; begin without a marker")
        query = query.where(table.c.name > name)
    return connection.execute(query).all()


def _conditions(table: Table, page: Page) -> Iterator[ColumnElement[bool]]:
    if page.name is not None:
        yield table.c.name == page.name
    if page.contains is not None:
        yield func.lower(table.c.name).contains(page.contains.lower(), autoescape=True)
    if page.enabled is not None:
        yield table.c.enabled.is_(page.enabled)
