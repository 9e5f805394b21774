"""Delete what no rule of its family keeps, and purge what has been in the trash for long enough.

Any number of processes may run it at once, and it may stop anywhere: each image is looked at again in the transaction
that deletes it.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from stillage.audit.events import IMAGE, Action
from stillage.audit.trail import Trail
from stillage.db import Connection, trash
from stillage.db import retention as db
from stillage.db.retention import FamilyRule
from stillage.db.session import Database
from stillage.images import retention
from stillage.images.image import Image
from stillage.images.retention import Candidate
from stillage.operations.images import Images
from stillage.operations.trash import Trash

log = structlog.get_logger()

BATCH = 100
DELETED, PURGED = Action("delete", IMAGE), Action("delete/purge", IMAGE)


class OldImages:
    def __init__(
        self, database: Database, images: Images, trash: Trash, trail: Trail, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._images = images
        self._trash = trash
        self._trail = trail
        self._clock = clock

    async def delete(self) -> int:
        """Delete by all rules. Returns how many images."""
        deleted, last = 0, ("", "")
        while rules := await self._database.read(db.page, last, BATCH):
            last = rules[-1].owner, rules[-1].family
            for rule in rules:
                deleted += await self._delete_by(rule)
        return deleted

    async def _delete_by(self, rule: FamilyRule) -> int:
        found = await self._database.read(db.candidates, rule.owner, rule.family)
        return sum([await self._delete(rule, each) for each in retention.removable(rule.rule, found, self._clock())])

    async def _delete(self, rule: FamilyRule, candidate: Candidate) -> bool:
        def may(connection: Connection, image: Image) -> bool:
            return db.may_go(connection, image, rule.owner, rule.family)

        if await self._images.delete_if(candidate.image_id, may) is None:
            return False
        facts = {"image_id": candidate.image_id, "family": rule.family}
        log.info("image deleted by the rule of its family", **facts)
        why = f"the rule of the family {rule.family} does not keep it"
        await self._trail.record_upkeep(DELETED, candidate.image_id, rule.owner, why)
        return True

    async def purge(self) -> int:
        """Purge what is due in the trash. Returns how many images."""
        purged = 0
        while due := await self._database.read(trash.due, self._clock(), BATCH):
            for image in [each.image for each in due]:
                if await self._trash.purge_now(image.id):
                    purged += 1
                    await self._trail.record_upkeep(PURGED, image.id, image.owner, "its days in the trash are over")
        return purged
