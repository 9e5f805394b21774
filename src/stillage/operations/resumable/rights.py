"""Check that a resumable upload may continue: its capability is valid while its opener may upload to the image.

An import may continue while who asked for it may, which `require_of` checks as well.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from stillage.accounts.principal import Principal
from stillage.db import Connection
from stillage.db import images as db_images
from stillage.db import uploads as db
from stillage.db.session import Database
from stillage.errors import Forbidden, ImageNotFound, RightsLost, UploadGone, UploadSuspended
from stillage.ids import ImageId
from stillage.images.access import Access
from stillage.images.upload import Grant, Upload

P = ParamSpec("P")
T = TypeVar("T")

Look = Callable[[Connection], Principal]
"""Returns the principal of a grant, with its current rights; RightsLost if there is none. Part of a unit of work."""


class Rights(Protocol):
    """What an identity service knows about users without a token."""

    def keep(self, principal: Principal) -> str | None:
        """Return what to store about *principal*, besides user and project, to look up its rights later."""

    async def look(self, grant: Grant, *, hold: bool) -> Look:
        """Return a function that looks up *grant*. With *hold* the rights cannot change until its transaction ends.

        Raises:
            RightsLost: If the rights are known to be gone.
            Unavailable: If they cannot be looked up now.
        """


def require_of(
    connection: Connection, look: Look, access: Access, image_id: ImageId, action: str = "upload_image"
) -> Principal:
    """Return the principal that *look* finds.

    Raises:
        RightsLost: If there is none, or it may not do *action*, the name of a rule, with the image.
    """
    principal = look(connection)
    seen = db_images.find_seen(connection, image_id, principal.project_id)
    if seen is None:  # it was deleted, and whoever asks will notice
        return principal
    try:
        access.require(principal, action, seen, image_id)
    except ImageNotFound as error:
        raise RightsLost("its user may not see the image any more") from error
    except Forbidden as error:
        raise RightsLost(str(error)) from error
    return principal


class UploadRights:
    """Checks the rights of uploads.

    Attributes:
        identity: Looks up grants.
        access: The rules.
    """

    def __init__(self, database: Database, identity: Rights, access: Access) -> None:
        self.identity = identity
        self._database = database
        self.access = access

    def grant_of(self, principal: Principal) -> Grant:
        return Grant(principal.user_id, principal.project_id, principal.kind, self.identity.keep(principal))

    async def require(self, upload: Upload, grant: Grant | None = None) -> Principal:
        """Return the principal that may resume *upload*, with its current rights.

        Args:
            upload: As last read.
            grant: The sender's; None for the upload's own.

        Raises:
            UploadSuspended: If that principal may no longer upload to the image.
        """
        look = await self._look(upload, grant or upload.rights, hold=False)
        return await self._database.read(self._require, upload, look)

    async def why_suspended(self, upload: Upload) -> str | None:
        """Return why *upload* cannot be resumed without a token; None if it can."""
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
        """As `Database.write`, after checking the rights in the same transaction. Raises as `require`."""

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
        """As `write`, for a *unit* that takes the principal.

        With *hold* the rights cannot be withdrawn before the commit.
        """
        try:
            return await self._run(upload, unit, grant or upload.rights, hold=hold)
        except UploadSuspended:
            now = await self._database.read(db.find, upload.id)
            if grant is not None or now is None or now.generation == upload.generation:
                raise
            return await self._run(now, unit, now.rights, hold=hold)  # another user has taken it over

    async def take_over(self, upload: Upload, grant: Grant) -> Upload:
        """Make a suspended *upload* depend on the rights of *grant*; return it. Its URL changes."""
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
            return require_of(connection, look, self.access, upload.image_id)
        except RightsLost as error:
            raise UploadSuspended(upload.id, str(error)) from error
