"""Manage users, projects and role assignments by name. Checks no rights: it is for administrative commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from stillage.accounts.names import MAX_PROJECT, MAX_USER, is_name, require_name, require_role
from stillage.accounts.people import Project, User
from stillage.db import Connection, identity, people
from stillage.db.session import Database
from stillage.errors import InvalidInput, NotFound
from stillage.identity.passwords import Passwords
from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class Member:
    """The roles of a user in a project, both by name."""

    user: str
    project: str
    roles: tuple[str, ...]


class Accounts:
    def __init__(self, database: Database, passwords: Passwords, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock

    async def create_user(self, name: str, password: str, *, project: str | None = None, role: str = "member") -> User:
        """Create a user. With *project*, that is their default project, in which they get *role*.

        Raises:
            AlreadyExists: If the name is taken.
            NotFound: If there is no such project.
            InvalidInput: If the name, password or role is not allowed.
        """
        require_name("user", name, MAX_USER)
        role = require_role(role)
        default_project = await self.get_project(project) if project is not None else None
        user = User(
            UserId(uuid4().hex),
            name,
            await self._passwords.hash(password),
            default_project_id=None if default_project is None else default_project.id,
        )
        await self._database.write(_add_user, user, role, self._clock())
        return user

    async def create_project(self, name: str) -> Project:
        """Create a project.

        Raises:
            AlreadyExists: If the name is taken.
            InvalidInput: If the name is not allowed.
        """
        project = Project(ProjectId(uuid4().hex), require_name("project", name, MAX_PROJECT))
        await self._database.write(identity.add_project, project, self._clock())
        return project

    async def get_user(self, name: str) -> User:
        user = await self._database.read(identity.find_user, name=name) if is_name(name) else None
        if user is None:
            raise NotFound(f"there is no user {name!r}; 'stillage user list' shows them")
        return user

    async def get_project(self, name: str) -> Project:
        project = await self._database.read(identity.find_project, name=name) if is_name(name) else None
        if project is None:
            raise NotFound(f"there is no project {name!r}; 'stillage project list' shows them")
        return project

    async def users(self) -> Sequence[User]:
        return await self._database.read(identity.list_users)

    async def projects(self) -> Sequence[Project]:
        return await self._database.read(identity.list_projects)

    async def members(self) -> Sequence[Member]:
        """Return the roles of every user in every project, without implied ones, sorted by project and user."""
        roles: dict[tuple[str, str], list[str]] = {}
        for assignment in await self._database.read(people.assignments):
            roles.setdefault((assignment.project_name, assignment.user_name), []).append(assignment.role)
        return [Member(user, project, tuple(sorted(held))) for (project, user), held in sorted(roles.items())]

    async def delete_user(self, name: str) -> None:
        """Delete a user; LastAdministrator if nobody could administer any more."""
        await self._database.write(people.delete_user, (await self.get_user(name)).id)

    async def delete_project(self, name: str) -> None:
        """Delete a project; ProjectInUse if it has images or jobs, LastAdministrator as `delete_user`."""
        await self._database.write(people.delete_project, (await self.get_project(name)).id)

    async def set_password(self, name: str, password: str) -> None:
        """Change a user's password. Their tokens end."""
        user = await self.get_user(name)
        await self._database.write(identity.set_password, user.id, await self._passwords.hash(password))

    async def set_user_enabled(self, name: str, *, enabled: bool) -> None:
        """Enable or disable a user. Their tokens end."""
        user = await self.get_user(name)
        await self._database.write(identity.set_user_enabled, user.id, enabled)

    async def set_project_enabled(self, name: str, *, enabled: bool) -> None:
        """Enable or disable a project. Its tokens end."""
        project = await self.get_project(name)
        await self._database.write(identity.set_project_enabled, project.id, enabled)

    async def grant(self, project: str, user: str, role: str) -> bool:
        """Give a user a role in a project. False if they have it already."""
        return await self._database.write(identity.grant, *await self._assignment(project, user, role))

    async def revoke(self, project: str, user: str, role: str) -> None:
        """Take a role from a user. Their tokens for the project end.

        Raises:
            NotFound: If they do not have it.
        """
        if not await self._database.write(identity.revoke, *await self._assignment(project, user, role)):
            raise NotFound(f"user {user!r} does not have the role {role!r} in project {project!r}")

    async def scope_of(self, user: User, project: str | None) -> ProjectId:
        """Return the project that a token of *user* is for: the named one, their default, or their only one.

        Raises:
            InvalidInput: If none is named, and there is neither a default nor a single one.
        """
        if project is not None:
            return (await self.get_project(project)).id
        default = await self._database.read(identity.usable_default, user.id)
        if default is not None:
            return default
        own = await self._database.read(identity.list_projects, user_id=user.id)
        if len(own) != 1:
            names = ", ".join(candidate.name for candidate in own) or "none"
            raise InvalidInput(f"name a project for the token; user {user.name!r} has: {names}")
        return own[0].id

    async def _assignment(self, project: str, user: str, role: str) -> tuple[UserId, ProjectId, str]:
        return (await self.get_user(user)).id, (await self.get_project(project)).id, require_role(role)


def _add_user(connection: Connection, user: User, role: str, now: datetime) -> None:
    identity.add_user(connection, user, now)
    if user.default_project_id is not None:
        identity.grant(connection, user.id, user.default_project_id, role)
