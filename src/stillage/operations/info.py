"""What a project uses, and who may look behind the stores."""

from stillage.db import images as db
from stillage.db.images import Usage
from stillage.db.session import Database
from stillage.images.access import Access, Caller


class Info:
    def __init__(self, database: Database, *, access: Access) -> None:
        self._database = database
        self._access = access

    async def usage(self, caller: Caller) -> Usage:
        """Return what the caller's project uses."""
        return await self._database.read(db.usage, caller.project_id)

    def require_store_details(self, caller: Caller) -> None:
        """Raise Forbidden unless *caller* may see how stores are made."""
        self._access.require_role(caller, "stores_info_detail", "see how the stores are made")
