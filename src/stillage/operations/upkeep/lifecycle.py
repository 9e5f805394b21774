"""Do to images what their properties say of this moment: deprecate them, make them obsolete, delete them.

Any number of processes may run it at once: each step reads the image again in the transaction that changes it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog

from stillage.audit.events import IMAGE, Action
from stillage.audit.trail import Trail
from stillage.db import Connection, stages
from stillage.db import images as db
from stillage.db.session import Database
from stillage.db.stages import Due
from stillage.errors import StillageError
from stillage.ids import ImageId
from stillage.images import lifecycle
from stillage.images.image import Image
from stillage.images.lifecycle import DELETE_AT, DEPRECATE_AT, OBSOLETE_AT
from stillage.operations.images import Images
from stillage.times import to_seconds

log = structlog.get_logger()

BATCH = 100
DEPRECATED = Action("update/deprecate", IMAGE)
OBSOLETE = Action("disable/obsolete", IMAGE)
DELETED = Action("delete", IMAGE)
Step = Callable[[ImageId], Awaitable[Image | None]]


class DatesOfImages:
    def __init__(self, database: Database, images: Images, trail: Trail, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._images = images
        self._trail = trail
        self._clock = clock

    async def __call__(self) -> int:
        """Do all that is due. Returns to how many images something was done."""
        done = await self._each(DEPRECATE_AT, DEPRECATED, self._deprecate)
        done += await self._each(OBSOLETE_AT, OBSOLETE, self._make_obsolete)
        return done + await self._each(DELETE_AT, DELETED, self._delete)

    async def _each(self, name: str, action: Action, step: Step) -> int:
        """Do *step* with every image whose date in the property *name* has come; what is left keeps nobody waiting."""
        done, until, last = 0, to_seconds(self._clock()), Due("", ImageId(""))
        while batch := await self._database.read(stages.due, name, until, last, BATCH):
            last = batch[-1]
            for due in batch:
                if lifecycle.moment(due.value) is not None and await self._do(due.image_id, action, step):
                    done += 1
        return done

    async def _do(self, image_id: ImageId, action: Action, step: Step) -> bool:
        try:
            image = await step(image_id)
        except StillageError as error:  # such as a protected image; the next time it may be possible
            log.debug("a date of an image has come in vain", action=action.verb, image_id=image_id, why=str(error))
            return False
        if image is None:
            return False
        log.info("a date of an image has come", action=action.verb, image_id=image_id)
        await self._trail.record_upkeep(action, image.id, image.owner, "its date has come")
        return True

    async def _deprecate(self, image_id: ImageId) -> Image | None:
        change = partial(self._if_due, DEPRECATE_AT, lifecycle.deprecated)
        return await self._database.write(stages.apply, image_id, change, db.save)

    async def _make_obsolete(self, image_id: ImageId) -> Image | None:
        change = partial(self._if_due, OBSOLETE_AT, lifecycle.obsolete)
        return await self._database.write(stages.apply, image_id, change, stages.save_deactivated)

    async def _delete(self, image_id: ImageId) -> Image | None:
        return await self._images.delete_if(image_id, self._may_go)

    def _may_go(self, _connection: Connection, image: Image) -> bool:
        return not image.protected and self._is_due(DELETE_AT, image)

    def _if_due(self, name: str, change: Callable[..., Image], image: Image) -> Image:
        return change(image, replaced_by=None, now=self._clock()) if self._is_due(name, image) else image

    def _is_due(self, name: str, image: Image) -> bool:
        at = lifecycle.moment(image.properties.get(name, ""))
        return at is not None and at <= self._clock()
