"""List open uploads: those that the principal may resume."""

from stillage.accounts.principal import Principal
from stillage.db import upload_lists
from stillage.ids import UploadId
from stillage.images.access import Seen
from stillage.images.upload import Ranges, Upload
from stillage.images.upload_query import UploadQuery
from stillage.operations.resumable.context import Context


class UploadLists:
    def __init__(self, context: Context) -> None:
        self._database = context.database
        self._access = context.access

    async def page(
        self, principal: Principal, query: UploadQuery, most: int
    ) -> tuple[list[tuple[Upload, Ranges]], UploadId | None]:
        """Return the open uploads that *principal* may resume: of its project, or of all for an administrator.

        Args:
            principal: Who sends the request.
            query: Which of them.
            most: How many ranges of each.

        Returns:
            Uploads with what they received, and the marker for the next page, if there may be one.

        Raises:
            InvalidInput: If the marker is no open upload.
        """
        owner = None if self._access.is_admin(principal) else principal.project_id

        def may_upload(seen: Seen) -> bool:
            return all(self._access.allows(principal, rule, seen) for rule in ("get_image", "upload_image"))

        return await self._database.read(
            upload_lists.page, query, owner, principal.project_id, most=most, is_shown=may_upload
        )
