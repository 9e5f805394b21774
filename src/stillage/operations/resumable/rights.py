"""Whether an upload may still go on: its capability is worth what the rights of its opener are worth now."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from stillage.accounts.principal import Principal
from stillage.db import Connection
from stillage.db import images as db_images
from stillage.db import uploads as db
from stillage.db.session import Database
from stillage.errors import Forbidden, ImageNotFound, RightsLost, UploadGone, UploadSuspended
from stillage.images.access import Access
from stillage.images.upload import Grant, Upload

P = ParamSpec("P")
T = TypeVar("T")

Look = Callable[[Connection], Principal]
"""Returns the principal that a grant makes now; RightsLost if it makes none. A part of a unit of work."""


class Rights(Protocol):
    """What an identity knows of people who show no token."""

    def keep(self, principal: Principal) -> str | None:
        """Return what has to be remembered of *principal*, beside user and project, to look again later."""

    async def look(self, grant: Grant, *, hold: bool) -> Look:
        """Return what looks at *grant*. With *hold* its rights stay as they are to the end of that transaction.

        Raises:
            RightsLost: If it is known already that there are none.
            Unavailable: If nobody can tell now.
        """


class UploadRights:
    """The rights of uploads.

    Attributes:
        identity: Knows what is left of a grant.
    """

    def __init__(self, database: Database, identity: Rights, access: Access) -> None:
        self.identity = identity
        self._database = database
        self._access = access

    def grant_of(self, principal: Principal) -> Grant:
        return Grant(principal.user_id, principal.project_id, principal.kind, self.identity.keep(principal))

    async def require(self, upload: Upload, grant: Grant | None = None) -> Principal:
        """Return whose right it is to go on with *upload*, as he is now.

        Args:
            upload: As last read.
            grant: Of whoever sends; None for the upload's own.

        Raises:
            UploadSuspended: If he may not upload to the image any more.
        """
        look = await self._look(upload, grant or upload.rights, hold=False)
        return await self._database.read(self._require, upload, look)

    async def why_suspended(self, upload: Upload) -> str | None:
        """Return why *upload* does not go on without a token; None if it does."""
        try:
            await self.require(upload)
        except UploadSuspended as error:
            return error.why
        return None

    async def write(
        self,
        upload: Upload,
        grant: Grant | None,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `Database.write`, if the upload may go on; looked at in the same transaction. Raises as `require`."""

        def unit(connection: Connection, _principal: Principal) -> T:
            return work(connection, *args, **kwargs)

        return await self.run(upload, unit, grant=grant)

    async def run(
        self,
        upload: Upload,
        unit: Callable[[Connection, Principal], T],
        *,
        grant: Grant | None = None,
        hold: bool = False,
    ) -> T:
        """As `write`, of a *unit* that wants to know whose right it is.

        With *hold* nobody can take the rights away before it is committed.
        """
        try:
            return await self._run(upload, unit, grant or upload.rights, hold=hold)
        except UploadSuspended:
            now = await self._database.read(db.find, upload.id)
            if grant is not None or now is None or now.generation == upload.generation:
                raise
            return await self._run(now, unit, now.rights, hold=hold)  # somebody took it over meanwhile

    async def take_over(self, upload: Upload, grant: Grant) -> Upload:
        """Let a suspended *upload* need the rights of *grant* from now on; return it. Its address changes."""
        taken = await self._database.write(db.take_over, upload, grant)
        if taken is None:
            raise UploadGone(upload.id, "it ended just now")
        return taken

    async def _run(
        self, upload: Upload, unit: Callable[[Connection, Principal], T], grant: Grant | None, *, hold: bool
    ) -> T:
        look = await self._look(upload, grant, hold=hold)

        def checked(connection: Connection) -> T:
            return unit(connection, self._require(connection, upload, look))

        return await self._database.write(checked)

    async def _look(self, upload: Upload, grant: Grant | None, *, hold: bool) -> Look:
        if grant is None:
            raise UploadSuspended(upload.id, "it was opened before rights were recorded")
        try:
            return await self.identity.look(grant, hold=hold)
        except RightsLost as error:
            raise UploadSuspended(upload.id, str(error)) from error

    def _require(self, connection: Connection, upload: Upload, look: Look) -> Principal:
        try:
            principal = look(connection)
            seen = db_images.find_seen(connection, upload.image_id, principal.project_id)
            if seen is not None:  # a deleted image is told of by what ended its upload
                self._access.require(principal, "upload_image", seen, upload.image_id)
        except ImageNotFound as error:
            raise UploadSuspended(upload.id, "its user may not see the image any more") from error
        except Forbidden as error:
            raise UploadSuspended(upload.id, str(error)) from error
        return principal
