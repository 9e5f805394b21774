"""Create images of objects in buckets: the record at once, and a job that gives it its bytes.

An image whose job fails is removed: its client knows only the job. Source: IMS API Reference, "Creating an Image".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, imports, jobs
from stillage.db import images as db
from stillage.db.session import Database
from stillage.errors import ImsRefusal
from stillage.ids import JobId, StoreId
from stillage.images.image import Image
from stillage.images.import_request import object_request
from stillage.images.job import Job, JobKind, NewJob
from stillage.images.object_name import ObjectName
from stillage.images.quota import Limits
from stillage.images.status import Status
from stillage.operations.images import Images
from stillage.operations.imports.objects import Objects
from stillage.operations.imports.plan import input_of
from stillage.operations.jobs import Queue
from stillage.stores.catalog import Stores

log = structlog.get_logger()

CREATIONS_AT_ONCE = 40
"""Of one project. Source: IMS API Reference, "Constraints"."""
KINDS = (JobKind.CREATE_OBJECT, JobKind.CREATE_OBJECT_DATA, JobKind.CREATE_OBJECTS)


@dataclass(frozen=True, slots=True)
class Creation:
    """An image that is to be made of an object.

    Attributes:
        document: Its attributes, as those of `images.creation.new_image`.
        only: The formats that its disk may have; None for any.
    """

    kind: JobKind
    document: Mapping[str, Any]
    source: ObjectName
    only: Sequence[str] | None = None


class Creations:
    def __init__(
        self,
        database: Database,
        stores: Stores,
        queue: Queue,
        *,
        images: Images,
        objects: Objects,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._stores = stores
        self._queue = queue
        self._images = images
        self._objects = objects
        self._limits = limits
        self._clock = clock

    async def from_object(self, principal: Principal, creation: Creation, request_id: str) -> Job:
        """Create the image, and return the job that gives it its bytes.

        Raises:
            StillageError: As `Images.create`, and `Objects.require`.
            ImsRefusal: If the project has as many such jobs as it may.
        """
        image = self._images.prepare(principal, creation.document)
        await self._objects.require(principal.project_id, creation.source)
        job = await self._database.write(self._accept, principal, creation, image, request_id)
        await self._queue.accepted(job)
        log.info("creation accepted", image_id=image.id, task=job.id)
        return job

    def _accept(
        self, connection: Connection, principal: Principal, creation: Creation, image: Image, request_id: str
    ) -> Job:
        if jobs.count_open(connection, principal.project_id, KINDS) >= CREATIONS_AT_ONCE:
            raise ImsRefusal(
                "IMG.0060",
                f"this project is creating {CREATIONS_AT_ONCE} images, the maximum; try again later",
            )
        now = self._clock()
        db.add(connection, image, self._limits)
        stores = (StoreId(self._stores.default.id),)
        task = JobId(str(uuid4()))
        given = input_of(image.id, object_request(str(creation.source)), stores)
        more = {"image_name": image.name} | ({} if creation.only is None else {"only": list(creation.only)})
        new = NewJob(
            task,
            creation.kind,
            principal.project_id,
            principal.user_id,
            image_id=image.id,
            input={**given, **more},
            request_id=request_id,
        )
        imports.begin(connection, image.id, Status.QUEUED, task, stores, now)
        return jobs.enqueue(connection, new, now)
