"""List, search and show the projects that a principal may see."""

from collections.abc import Sequence

from stillage.accounts.names import is_name
from stillage.accounts.people import Project
from stillage.accounts.principal import Principal
from stillage.db import identity, people
from stillage.db.people import Page
from stillage.db.session import Database
from stillage.errors import Forbidden, NotFound
from stillage.ids import UserId

# When clients look up the project to share an image with, they use the text as an id after a 403, and give up after a
# 404 or an empty list. A 403 does not reveal what exists.
OTHERS = "only an administrator may see projects of other users"


class Directory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def own(self, principal: Principal) -> Sequence[Project]:
        """Return the projects that *principal* can get a token for."""
        return await self.of_user(principal, principal.user_id)

    async def of_user(self, principal: Principal, user_id: str) -> Sequence[Project]:
        """Return the projects that a user can get a token for.

        Raises:
            Forbidden: If it is another user, and *principal* is no admin.
        """
        if not (principal.is_admin or principal.user_id == user_id):
            raise Forbidden("only an administrator may see other users")
        if not is_name(user_id):
            return []
        return await self._database.read(identity.list_projects, user_id=UserId(user_id))

    async def search(self, principal: Principal, page: Page | None) -> Sequence[Project]:
        """Return a page of all projects for an admin, otherwise those of the principal's own that *page* wants.

        None wants none.

        Raises:
            Forbidden: If *page* wants projects that are not among the principal's own, who is no admin.
        """
        if principal.is_admin:
            return [] if page is None else await self._database.read(people.page_of_projects, page)
        projects = [project for project in await self.own(principal) if page is not None and page.wants(project)]
        if not projects and (page is None or page.name is not None):
            raise Forbidden(OTHERS)
        return projects

    async def show(self, principal: Principal, project_id: str) -> Project:
        """Return a project.

        Raises:
            Forbidden: If it is not one of *principal*'s, and they are no admin.
            NotFound: If it does not exist.
        """
        for project in await self.own(principal):
            if project.id == project_id:
                return project
        if not principal.is_admin:
            raise Forbidden(OTHERS)
        other_project = None
        if is_name(project_id):
            other_project = await self._database.read(identity.find_project, project_id=project_id)
        if other_project is None:
            raise NotFound(f"there is no project {project_id[:80]!r}")
        return other_project
