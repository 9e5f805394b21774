"""Show what projects use and may use, and set the limits of a project alone."""

from collections.abc import Sequence

from stillage.accounts.names import is_name
from stillage.accounts.principal import Principal
from stillage.db import quotas as db
from stillage.db.session import Database
from stillage.errors import Forbidden, NotFound
from stillage.ids import ProjectId
from stillage.images.access import Access
from stillage.images.quota import Limits, Quota

PAGE = 1000


class ProjectQuotas:
    """Who is an administrator here is what the rule `context_is_admin` says."""

    def __init__(self, database: Database, *, access: Access, default: Limits, knows_projects: bool) -> None:
        """Set up.

        Args:
            database: Has the usage and the limits.
            access: Knows who is an administrator.
            default: Limits of projects that have none of their own.
            knows_projects: The embedded identity has all projects, so that others do not exist.
        """
        self._database = database
        self._access = access
        self._default = default
        self._knows_projects = knows_projects

    async def show(self, principal: Principal, project_id: str) -> Quota:
        """Return the quota of a project.

        Raises:
            Forbidden: If it is another project, and *principal* is no admin.
            NotFound: If there is no such project.
        """
        if project_id != principal.project_id:
            self._require_admin(principal, "see the quotas of other projects")
        return await self.find(await self._existing(principal, project_id))

    async def set(self, principal: Principal, project_id: str, own: Limits) -> Quota:
        """Replace the limits that a project has alone, and return its quota. More may be in use already.

        Raises:
            Forbidden: If *principal* is no admin.
            NotFound: If there is no such project.
        """
        self._require_admin(principal, "set quotas")
        return await self.change(await self._existing(principal, project_id), own)

    async def own(self, principal: Principal, limit: int, marker: str | None) -> Sequence[Quota]:
        """Return the quotas of projects with limits of their own, by id; Forbidden if *principal* is no admin."""
        self._require_admin(principal, "list quotas")
        return await self._page(limit, marker, with_own=True)

    async def usage(self, principal: Principal, limit: int, marker: str | None) -> Sequence[Quota]:
        """Return the quotas of all projects for an admin, else of *principal*'s own; one more than *limit*, if any."""
        if not self._access.is_admin(principal):
            self._access.require_role(principal, "get_images", "see what the project uses")
            return [await self.find(principal.project_id)]
        return await self._page(limit, marker, with_own=False)

    # For administrative commands, which check no rights.

    async def find(self, project_id: ProjectId) -> Quota:
        return await self._database.read(db.find, project_id, self._default)

    async def change(self, project_id: ProjectId, own: Limits) -> Quota:
        await self._database.write(db.change, project_id, own)
        return await self.find(project_id)

    async def all(self) -> Sequence[Quota]:
        """Return the quotas of all projects."""
        found: list[Quota] = []
        while more := await self._page(PAGE, found[-1].project_id if found else None, with_own=False):
            found += more
        return found

    async def _page(self, limit: int, marker: str | None, *, with_own: bool) -> Sequence[Quota]:
        return await self._database.read(db.page, self._default, limit + 1, marker, with_own=with_own)

    async def _existing(self, principal: Principal, project_id: str) -> ProjectId:
        if project_id == principal.project_id:
            return principal.project_id
        may_exist = is_name(project_id)
        if may_exist and self._knows_projects:
            may_exist = await self._database.read(db.has_project, project_id)
        if not may_exist:
            raise NotFound(f"there is no project {project_id[:80]!r}")
        return ProjectId(project_id)

    def _require_admin(self, principal: Principal, what: str) -> None:
        if not self._access.is_admin(principal):
            raise Forbidden(f"only an administrator may {what}")
