"""Report a project's usage and quotas, and check who may see stores and metrics."""

from stillage.accounts.principal import Principal
from stillage.db import imports, quotas
from stillage.db.session import Database
from stillage.images.access import Access
from stillage.images.quota import Limits, Quota


class Info:
    def __init__(self, database: Database, *, access: Access, limits: Limits) -> None:
        """*limits*: of projects that have none of their own."""
        self._database = database
        self._access = access
        self._limits = limits

    async def quota(self, principal: Principal) -> Quota:
        """Return what the principal's project uses and may; Forbidden if they may not list its images either."""
        self._access.require_role(principal, "get_images", "see what the project uses")
        return await self._database.read(quotas.find, principal.project_id, self._limits)

    async def staged_bytes(self, principal: Principal) -> int:
        """Return how much of that waits for an import. Raises as `quota`."""
        self._access.require_role(principal, "get_images", "see what the project uses")
        return await self._database.read(imports.staged_bytes, principal.project_id)

    def require_store_details(self, principal: Principal) -> None:
        """Raise Forbidden unless *principal* may see the details of stores."""
        self._access.require_role(principal, "stores_info_detail", "see how the stores are made")

    def require_settings(self, principal: Principal) -> None:
        """Raise Forbidden unless *principal* may read the settings."""
        self._access.require_role(principal, "context_is_admin", "read the settings")

    def require_metrics(self, principal: Principal) -> None:
        """Raise Forbidden unless *principal* may read the metrics, which cover all projects."""
        self._access.require_role(principal, "context_is_admin", "read the metrics")
