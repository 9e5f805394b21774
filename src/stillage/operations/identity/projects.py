"""Create, change and delete projects, for administrators."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from stillage.accounts.names import is_name
from stillage.accounts.people import Project
from stillage.accounts.people_request import ProjectRequest
from stillage.accounts.principal import Principal
from stillage.db import identity, people
from stillage.db.session import Database
from stillage.errors import NotFound
from stillage.ids import ProjectId
from stillage.operations.identity.people import require_admin


class Projects:
    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def create(self, principal: Principal, wanted: ProjectRequest) -> Project:
        """Create a project. Raises Forbidden if *principal* is no admin, AlreadyExists if the name is taken."""
        require_admin(principal, "create projects")
        extra = {name: value for name, value in wanted.extra.items() if value is not None}
        project = Project(ProjectId(uuid4().hex), wanted.name or "", wanted.enabled is not False, extra)
        await self._database.write(identity.add_project, project, self._clock())
        return project

    async def change(self, principal: Principal, project_id: str, wanted: ProjectRequest) -> Project:
        """Change a project and return it. Enabling or disabling it ends its tokens.

        Raises:
            Forbidden, AlreadyExists: As `create`.
            NotFound: If there is no such project.
            LastAdministrator: If nobody could administer any more.
        """
        require_admin(principal, "change projects")
        given = {"name": wanted.name, "enabled": wanted.enabled}
        values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return await self._database.write(people.change_project, _id(project_id), values, wanted.extra)

    async def delete(self, principal: Principal, project_id: str) -> None:
        """Delete a project. Raises as `change`, and ProjectInUse if it has images or jobs."""
        require_admin(principal, "delete projects")
        await self._database.write(people.delete_project, _id(project_id))


def _id(text: str) -> ProjectId:
    if not is_name(text):
        raise NotFound(f"there is no project {text[:80]!r}")
    return ProjectId(text)
