"""Users, projects, and the roles that users have in projects. Plain functions of a connection, as in `db.images`.

What takes rights away ends the tokens that carried them, in the same transaction. It changes the user's or the
project's row first: whoever is about to issue a token holds that row (`db.tokens`), so that no token slips through.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from stillage.accounts.people import Project, User
from stillage.db.tables import projects, role_assignments, tokens, users
from stillage.errors import AlreadyExists
from stillage.ids import ProjectId, UserId


def add_project(connection: Connection, project: Project, now: datetime) -> None:
    """Store a new project.

    Raises:
        AlreadyExists: If the name is taken.
    """
    values = {
        "id": project.id,
        "name": project.name,
        "enabled": project.enabled,
        "extra": dict(project.extra),
        "created_at": now,
    }
    try:
        connection.execute(insert(projects).values(values))
    except IntegrityError as error:
        raise AlreadyExists(f"there is a project {project.name!r} already") from error


def add_user(connection: Connection, user: User, now: datetime) -> None:
    """Store a new user.

    Raises:
        AlreadyExists: If the name is taken.
    """
    values = {
        "id": user.id,
        "name": user.name,
        "password_hash": user.password_hash,
        "enabled": user.enabled,
        "default_project_id": user.default_project_id,
        "extra": dict(user.extra),
        "created_at": now,
    }
    try:
        connection.execute(insert(users).values(values))
    except IntegrityError as error:
        raise AlreadyExists(f"there is a user {user.name!r} already") from error


def find_user(connection: Connection, *, user_id: str | None = None, name: str | None = None) -> User | None:
    """Return the user with this id, or else with this name."""
    wanted = users.c.id == user_id if user_id is not None else users.c.name == name
    row = connection.execute(select(users).where(wanted)).first()
    return None if row is None else user_of(row)


def find_project(connection: Connection, *, project_id: str | None = None, name: str | None = None) -> Project | None:
    """Return the project with this id, or else with this name."""
    wanted = projects.c.id == project_id if project_id is not None else projects.c.name == name
    row = connection.execute(select(projects).where(wanted)).first()
    return None if row is None else project_of(row)


def list_users(connection: Connection) -> Sequence[User]:
    return [user_of(row) for row in connection.execute(select(users).order_by(users.c.name))]


def list_projects(connection: Connection, *, user_id: UserId | None = None) -> Sequence[Project]:
    """Return projects by name: all, or the enabled ones in which this user has a role."""
    query = select(projects).order_by(projects.c.name)
    if user_id is not None:
        member = (role_assignments.c.project_id == projects.c.id) & (role_assignments.c.user_id == user_id)
        query = query.where(projects.c.enabled, select(role_assignments.c.role).where(member).exists())
    return [project_of(row) for row in connection.execute(query)]


def usable_default(connection: Connection, user_id: UserId) -> ProjectId | None:
    """Return the user's default project if it is enabled and the user has a role there."""
    query = (
        select(projects.c.id)
        .join(users, users.c.default_project_id == projects.c.id)
        .join(
            role_assignments,
            (role_assignments.c.project_id == projects.c.id) & (role_assignments.c.user_id == users.c.id),
        )
        .where(users.c.id == user_id, projects.c.enabled)
    )
    project_id = connection.execute(query).scalars().first()
    return None if project_id is None else ProjectId(project_id)


def grant(connection: Connection, user_id: UserId, project_id: ProjectId, role: str) -> bool:
    """Give the user a role in the project. False if they already have it."""
    # Every change of a user's rights locks the user's row, so no other transaction adds the same assignment meanwhile.
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    if connection.execute(select(role_assignments).where(_assignment(user_id, project_id, role))).first():
        return False
    connection.execute(insert(role_assignments).values(user_id=user_id, project_id=project_id, role=role))
    return True


def revoke(connection: Connection, user_id: UserId, project_id: ProjectId, role: str) -> bool:
    """Take a role away, and end the user's tokens for the project. False if they do not have it."""
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    removed = connection.execute(delete(role_assignments).where(_assignment(user_id, project_id, role))).rowcount
    if removed:
        connection.execute(delete(tokens).where(tokens.c.user_id == user_id, tokens.c.project_id == project_id))
    return removed == 1


def set_password(connection: Connection, user_id: UserId, password_hash: str) -> None:
    """Change the password and end all of the user's tokens."""
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
    connection.execute(delete(tokens).where(tokens.c.user_id == user_id))


def set_user_enabled(connection: Connection, user_id: UserId, enabled: bool) -> None:
    """Enable or disable the user. Either way their tokens end, so that old ones do not become valid again."""
    connection.execute(update(users).where(users.c.id == user_id).values(enabled=enabled))
    connection.execute(delete(tokens).where(tokens.c.user_id == user_id))


def set_project_enabled(connection: Connection, project_id: ProjectId, enabled: bool) -> None:
    """Enable or disable the project. Either way its tokens end."""
    connection.execute(update(projects).where(projects.c.id == project_id).values(enabled=enabled))
    connection.execute(delete(tokens).where(tokens.c.project_id == project_id))


def _assignment(user_id: UserId, project_id: ProjectId, role: str) -> Any:
    return (
        (role_assignments.c.user_id == user_id)
        & (role_assignments.c.project_id == project_id)
        & (role_assignments.c.role == role)
    )


def user_of(row: Row[Any]) -> User:
    default = None if row.default_project_id is None else ProjectId(row.default_project_id)
    return User(UserId(row.id), row.name, row.password_hash, row.enabled, default, row.extra or {})


def project_of(row: Row[Any]) -> Project:
    return Project(ProjectId(row.id), row.name, row.enabled, row.extra or {})
