"""Share an image with other projects, and record whether they accept."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from stillage.accounts.principal import Principal
from stillage.db import images as db
from stillage.db import members
from stillage.db.session import Database
from stillage.errors import NotFound
from stillage.ids import ProjectId
from stillage.images.access import Access, Seen
from stillage.images.creation import require_count
from stillage.images.image import Image
from stillage.images.member import Member, MemberStatus, SharingRules

log = structlog.get_logger()


class Members:
    def __init__(
        self, database: Database, *, access: Access, rules: SharingRules, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._access = access
        self._rules = rules
        self._clock = clock

    async def add(self, principal: Principal, image_id: str, member_id: ProjectId) -> Member:
        """Share the image with the project *member_id*, which may then read it, and lists it once it accepts.

        The owner may be a member of its own image, as in Glance, without any effect.

        Raises:
            NotShareable: If images of its visibility have no members.
            Forbidden: If the principal may not share it.
            AlreadyExists: If it is shared with that project.
            TooMany: If it has too many members.
        """
        image = self._access.require(principal, "add_member", await self._seen(principal, image_id), image_id)
        self._rules.require_shareable(image.visibility)
        shared = await self._database.read(members.list_of, image.id)
        require_count("members", len(shared) + 1, self._rules.max_members)
        add = members.add_and_open if self._rules.shares_private else members.add
        member = await self._database.write(add, image, member_id, self._clock())
        log.debug("image shared", image_id=image.id, member_id=member_id)
        return member

    async def list(self, principal: Principal, image_id: str) -> Sequence[Member]:
        """Return the members that the principal may see: all of them for the owner, themselves for a member."""
        image = self._access.require(principal, "get_members", await self._seen(principal, image_id), image_id)
        self._rules.require_shareable(image.visibility)
        shared = await self._database.read(members.list_of, image.id)
        return [each for each in shared if self._access.allows_member(principal, "get_member", image, each.member_id)]

    async def get(self, principal: Principal, image_id: str, member_id: str) -> Member:
        """Return one member.

        Raises:
            NotFound: If there is none, or the principal may not see it.
        """
        image = await self._image_with(principal, image_id, member_id)
        member = await self._database.read(members.find, image.id, ProjectId(member_id))
        if member is None:
            raise _no_member(image, member_id)
        return member

    async def answer(self, principal: Principal, image_id: str, member_id: str, status: MemberStatus) -> Member:
        """Set the member's status, which only the member may do.

        Raises:
            Forbidden: If the principal is the owner, or lacks the role, or the image is not ``shared``.
            NotFound: If there is no such member, or the principal is neither owner nor member.
        """
        image = await self._image_with(principal, image_id, member_id)
        self._rules.require_shareable(image.visibility)
        self._access.require_allowed_member(principal, "modify_member", image, member_id)
        answered = await self._database.write(members.set_status, image.id, ProjectId(member_id), status, self._clock())
        if answered is None:
            raise _no_member(image, member_id)
        return answered

    async def remove(self, principal: Principal, image_id: str, member_id: str) -> None:
        """End the sharing; NotFound if there is none."""
        image = self._access.require(principal, "delete_member", await self._seen(principal, image_id), image_id)
        self._rules.require_shareable(image.visibility)
        remove = members.remove_and_close if self._rules.shares_private else members.remove
        if not await self._database.write(remove, image.id, ProjectId(member_id)):
            raise _no_member(image, member_id)
        log.debug("image no longer shared", image_id=image.id, member_id=member_id)

    async def _seen(self, principal: Principal, image_id: str) -> Seen | None:
        return await self._database.look_up(db.find_seen, image_id, principal.project_id)

    async def _image_with(self, principal: Principal, image_id: str, member_id: str) -> Image:
        """Return the image; NotFound unless the principal may see it and its member *member_id*."""
        image = self._access.require_visible(principal, await self._seen(principal, image_id), image_id)
        if not self._access.allows_member(principal, "get_member", image, member_id):
            raise _no_member(image, member_id)
        return image


def _no_member(image: Image, member_id: str) -> NotFound:
    return NotFound(f"image {image.id} is not shared with {member_id[:255]!r}")
