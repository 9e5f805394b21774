"""Create the first project, administrator and ordinary user when a deployment starts for the first time."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import uuid4

from stillage.accounts.people import Project, User
from stillage.db import Connection, identity, people
from stillage.db.people import Page
from stillage.db.session import Database
from stillage.errors import AlreadyExists
from stillage.identity.passwords import Passwords, new_password
from stillage.ids import ProjectId, UserId

PROJECT = "demo"
ADMIN = "admin"
ROLES = {ADMIN: "admin", "demo": "member"}
"""The users, and the role of each in `PROJECT`."""


async def bootstrap(
    database: Database,
    passwords: Passwords,
    *,
    admin_password: str | None,
    demo_password: str | None = None,
    clock: Callable[[], datetime],
) -> dict[str, str]:
    """Create the project and users if there is no user yet, and return the passwords that were set, by user.

    Later everything stays as it is, so that who is deleted does not come back, with one exception: if
    *admin_password* differs from the administrator's password, it replaces it, and their tokens end.

    Args:
        database: With the current schema.
        passwords: Hashes them.
        admin_password: For user `admin`; random on the first start if None.
        demo_password: For user `demo`; random if None. Used on the first start only.
        clock: Aware, UTC.
    """
    given = {"admin": admin_password, "demo": demo_password}
    is_first = not await database.read(people.page_of_users, Page(limit=1))
    admin = await database.read(identity.find_user, name="admin")
    chosen = {name: given[name] or new_password() for name in ROLES} if is_first else {}
    hashes = {name: await passwords.hash(password) for name, password in chosen.items()}
    try:
        await database.write(_make, hashes, clock())
    except AlreadyExists:
        # Another node was first and set the passwords; read what there is now.
        return await bootstrap(
            database, passwords, admin_password=admin_password, demo_password=demo_password, clock=clock
        )
    return chosen | await _change_admin(database, passwords, admin, admin_password)


def _make(connection: Connection, hashes: Mapping[str, str], now: datetime) -> None:
    if not hashes:
        return
    project = identity.find_project(connection, name=PROJECT)
    if project is None:
        project = Project(ProjectId(uuid4().hex), PROJECT)
        identity.add_project(connection, project, now)
    for name, password_hash in hashes.items():
        user = User(UserId(uuid4().hex), name, password_hash, default_project_id=project.id)
        identity.add_user(connection, user, now)
        identity.grant(connection, user.id, project.id, ROLES[name])


async def _change_admin(
    database: Database, passwords: Passwords, admin: User | None, wanted: str | None
) -> dict[str, str]:
    if admin is None or wanted is None or await passwords.verify(admin.password_hash, wanted):
        return {}
    await database.write(identity.set_password, admin.id, await passwords.hash(wanted))
    return {"admin": wanted}
