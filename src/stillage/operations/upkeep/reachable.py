"""Log which stores cannot be used, so that an operator reads it at the start and not from a user."""

import structlog

from stillage.errors import StillageError
from stillage.stores.catalog import Stores

log = structlog.get_logger()


async def report_unreachable(stores: Stores) -> None:
    for one in stores:
        if one.read_only or one.kind == "file":
            continue  # a check writes; the folder of a store was looked at when it was opened
        try:
            await one.store.check()
        except StillageError as error:
            log.error("a store cannot be used", store=one.id, why=str(error))
