"""List roles, and give and take the roles of users in projects, for administrators."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stillage.accounts.names import is_name, role_id
from stillage.accounts.people import Assignment
from stillage.accounts.principal import Principal
from stillage.db import people
from stillage.db.session import Database
from stillage.errors import NotFound
from stillage.ids import ProjectId, UserId
from stillage.images.access import with_implied
from stillage.operations.identity.people import require_admin

BUILT_IN = ("admin", "member", "reader", "service")
"""The roles that mean something without any setting. Others exist while somebody has them."""


class Roles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self, principal: Principal) -> Sequence[str]:
        """Return the names of all roles; Forbidden if *principal* is no admin."""
        require_admin(principal, "list roles")
        return sorted({*BUILT_IN, *await self._database.read(people.roles)})

    async def name_of(self, principal: Principal, wanted: str) -> str:
        """Return the name of the role with the id *wanted*; NotFound if there is none, Forbidden as `names`."""
        for name in await self.names(principal):
            if role_id(name) == wanted:
                return name
        raise NotFound(f"there is no role {wanted[:80]!r}; GET /v3/roles lists them")

    async def assignments(
        self, principal: Principal, *, user_id: str | None, project_id: str | None, effective: bool = False
    ) -> Sequence[Assignment]:
        """Return who has which role where. *effective*: with implied roles. Forbidden if *principal* is no admin."""
        require_admin(principal, "list role assignments")
        if not all(wanted is None or is_name(wanted) for wanted in (user_id, project_id)):
            return []
        direct = await self._database.read(people.assignments, user_id=user_id, project_id=project_id)
        return list(_effective(direct)) if effective else direct

    async def grant(self, principal: Principal, project_id: str, user_id: str, role: str) -> None:
        """Give a user the role with the id *role* in a project; nothing happens if they have it.

        Raises:
            Forbidden: If *principal* is no admin.
            NotFound: If there is no such user, project or role.
        """
        name = await self.name_of(principal, role)
        await self._database.write(people.grant, *_ids(user_id, project_id), name)

    async def revoke(self, principal: Principal, project_id: str, user_id: str, role: str) -> None:
        """Take a role from a user. Their tokens for the project end.

        Raises:
            Forbidden, NotFound: As `grant`; NotFound also if they do not have it.
            LastAdministrator: If nobody could administer any more.
        """
        name = await self.name_of(principal, role)
        if not await self._database.write(people.revoke, *_ids(user_id, project_id), name):
            raise NotFound(f"the user does not have the role {name!r} in this project")

    async def require(self, principal: Principal, project_id: str, user_id: str, role: str) -> None:
        """Raise NotFound unless the user has the role in the project, Forbidden if *principal* is no admin."""
        held = await self.assignments(principal, user_id=user_id, project_id=project_id)
        if role not in {role_id(assignment.role) for assignment in held}:
            raise NotFound("the user does not have this role in this project")


def _ids(user_id: str, project_id: str) -> tuple[UserId, ProjectId]:
    if not (is_name(user_id) and is_name(project_id)):
        raise NotFound("there is no such user or project")
    return UserId(user_id), ProjectId(project_id)


def _effective(direct: Iterable[Assignment]) -> Iterable[Assignment]:
    held: dict[tuple[UserId, ProjectId], list[Assignment]] = {}
    for assignment in direct:
        held.setdefault((assignment.user_id, assignment.project_id), []).append(assignment)
    for group in held.values():
        for role in sorted(with_implied(frozenset(assignment.role for assignment in group))):
            yield replace(group[0], role=role)
