"""Deprecate images, make them obsolete, and take them into use again; now, or at a date that upkeep waits for."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from stillage.accounts.principal import Principal
from stillage.db import stages
from stillage.images import lifecycle
from stillage.images.image import Image
from stillage.images.lifecycle import DEPRECATE_AT, OBSOLETE_AT
from stillage.images.status import Status
from stillage.operations.images import Images

log = structlog.get_logger()


class Lifecycle:
    def __init__(self, images: Images, *, clock: Callable[[], datetime]) -> None:
        self._images = images
        self._clock = clock

    async def deprecate(
        self, principal: Principal, image_id: str, *, replaced_by: str | None = None, at: datetime | None = None
    ) -> Image:
        """Mark an image so that users choose another: it is no longer the latest of its family.

        *replaced_by*: what they should use; None keeps what the image says. *at*: when; None for now.

        Raises:
            StillageError: By the principal's rights.
            Forbidden, Conflict: If it has no data, or is obsolete.
        """
        now = self._clock()
        change = partial(lifecycle.deprecated, replaced_by=replaced_by, now=now)
        if at is not None and at > now:
            change = partial(lifecycle.scheduled, name=DEPRECATE_AT, at=at, replaced_by=replaced_by, now=now)
        return await self._images.change(principal, image_id, change, rule="deprecate")

    async def obsolete(
        self, principal: Principal, image_id: str, *, replaced_by: str | None = None, at: datetime | None = None
    ) -> Image:
        """Hide an image from lists, and refuse its data as `deactivate` does; as `deprecate` otherwise."""
        now = self._clock()
        if at is not None and at > now:
            change = partial(lifecycle.scheduled, name=OBSOLETE_AT, at=at, replaced_by=replaced_by, now=now)
            return await self._images.change(principal, image_id, change, rule="obsolete")
        obsolete = partial(lifecycle.obsolete, replaced_by=replaced_by, now=now)
        return await self._images.change(principal, image_id, obsolete, rule="obsolete", save=stages.save_deactivated)

    async def reactivate(self, principal: Principal, image_id: str) -> None:
        """Undo `deactivate`, `deprecate` and `obsolete`, and forget their dates.

        Raises:
            StillageError: As `Images.reactivate`.
        """
        change = partial(lifecycle.in_use_again, now=self._clock())
        image = await self._images.change(principal, image_id, change, rule="reactivate", save=stages.save_reactivated)
        if image.status is not Status.ACTIVE:  # it has no mark, and may be deactivated
            await self._images.reactivate(principal, image_id)
