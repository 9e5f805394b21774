"""Create images of objects in buckets and of other images: the record at once, and a job that gives it its bytes.

An image whose job fails is removed: its client knows only the job. Source: IMS API Reference, "Creating an Image".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, imports, jobs, members
from stillage.db import images as db
from stillage.db.session import Database
from stillage.errors import ImsRefusal
from stillage.ids import JobId, StoreId
from stillage.images import ims_copy
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.import_request import object_request
from stillage.images.job import Job, JobKind, NewJob
from stillage.images.member import MemberStatus
from stillage.images.object_name import ObjectName
from stillage.images.quota import Limits
from stillage.images.status import Status
from stillage.operations.images import Images
from stillage.operations.imports.objects import Objects
from stillage.operations.imports.plan import input_of
from stillage.operations.jobs import Queue
from stillage.operations.resumable.rights import UploadRights
from stillage.stores.catalog import Stores

log = structlog.get_logger()

CREATIONS_AT_ONCE, COPIES_AT_ONCE = 40, 5
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
        access: Access,
        rights: UploadRights,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._stores = stores
        self._queue = queue
        self._images = images
        self._objects = objects
        self._access = access
        self._rights = rights
        self._limits = limits
        self._clock = clock

    async def from_object(self, principal: Principal, creation: Creation, request_id: str) -> Job:
        """Create the image, and return the job that gives it its bytes.

        Raises:
            StillageError: As `Images.create`, and `Objects.require`.
            ImsRefusal: If the project has as many such jobs as it may.
        """
        image = self._images.prepare(principal, creation.document)
        work = await self._work_of(principal, image, creation)
        return await self._begin(principal, image, creation.kind, work, request_id)

    async def from_objects(self, principal: Principal, creations: Sequence[Creation], request_id: str) -> Job:
        """Create an image of each, and return the job that gives them their bytes: all of them, or none.

        Raises:
            StillageError: As `from_object`.
        """
        images = [self._images.prepare(principal, creation.document) for creation in creations]
        whole = _new_job(principal, JobKind.CREATE_OBJECTS, {"images": [image.id for image in images]}, request_id)
        parts = []
        # Parts are shown in the order of their ids.
        for creation, image, part_id in zip(creations, images, sorted(str(uuid4()) for _ in images), strict=True):
            work = await self._work_of(principal, image, creation)
            part = self._job_of_image(principal, image, creation.kind, work, request_id)
            parts.append(replace(part, id=JobId(part_id), parent=whole.id))
        return await self._store(list(zip(images, parts, strict=True)), whole)

    async def _work_of(self, principal: Principal, image: Image, creation: Creation) -> Mapping[str, Any]:
        """Look at the object; return the input of the job that makes *image* of it."""
        await self._objects.require(principal.project_id, creation.source)
        stores = (StoreId(self._stores.default.id),)
        work = input_of(image.id, object_request(str(creation.source)), stores)
        return work if creation.only is None else {**work, "only": list(creation.only)}

    async def copy(
        self, principal: Principal, source_id: str, given: Mapping[str, Any], region: str, request_id: str
    ) -> Job:
        """Create a copy of an image that *principal* may download, and return the job that gives it the bytes.

        *given*: the attributes that the copy is to have, as `images.ims_copy.parse` returns them. *region*: this one.

        Raises:
            ImageNotFound, Forbidden: By the principal's rights.
            ImsRefusal: If the image cannot be copied, or the project has as many such jobs as it may.
        """
        seen = await self._database.look_up(db.find_seen, source_id, principal.project_id)
        source = self._access.require(principal, "download_image", seen, source_id)
        await self._require_accepted(principal, source, is_member=seen is not None and seen.is_member)
        ims_copy.require_copyable(source)
        image = self._images.prepare(principal, ims_copy.document_of(source, given, region))
        shown = {"method": {"name": "copy", "uri": source.id}}
        work = {"import_req": shown, "backend": [source.stores[0]], "source": source.id}
        return await self._begin(principal, image, JobKind.COPY, work, request_id)

    async def _require_accepted(self, principal: Principal, source: Image, *, is_member: bool) -> None:
        if not is_member or source.owner == principal.project_id:
            return
        member = await self._database.read(members.find, source.id, principal.project_id)
        if member is None or member.status is not MemberStatus.ACCEPTED:
            raise ImsRefusal("IMG.0196", f"image {source.id} is shared with this project, but not accepted; accept it")

    async def _begin(
        self, principal: Principal, image: Image, kind: JobKind, work: Mapping[str, Any], request_id: str
    ) -> Job:
        """Store *image*, and the job that gives it its bytes. *work*: the input of the job."""
        return await self._store([(image, self._job_of_image(principal, image, kind, work, request_id))])

    async def _store(self, made: Sequence[tuple[Image, NewJob]], whole: NewJob | None = None) -> Job:
        """Store images with their jobs; return the job, or the *whole* one that those are parts of."""
        job = await self._database.write(self._accept, made, whole)
        await self._queue.accepted(job)
        for image, _ in made:
            log.debug("creation accepted", image_id=image.id, task=job.id, kind=job.kind)
        return job

    def _accept(self, connection: Connection, made: Sequence[tuple[Image, NewJob]], whole: NewJob | None) -> Job:
        # First, because it holds the project's usage: so others count only when this is committed.
        for image, _ in made:
            db.add(connection, image, self._limits)
        self._require_few(connection, [new for _, new in made])
        now = self._clock()
        for image, new in made:
            stores = [StoreId(store) for store in new.input["backend"]]
            imports.begin(connection, image.id, Status.QUEUED, new.id, stores, now)
        accepted = [jobs.enqueue(connection, new, now) for _, new in made]
        return accepted[0] if whole is None else jobs.enqueue(connection, whole, now)

    def _require_few(self, connection: Connection, new: Sequence[NewJob]) -> None:
        project_id, is_copy = new[0].project_id, new[0].kind == JobKind.COPY
        kinds, most = ((JobKind.COPY,), COPIES_AT_ONCE) if is_copy else (KINDS, CREATIONS_AT_ONCE)
        if jobs.count_open(connection, project_id, kinds) + len(new) > most:
            raise ImsRefusal("IMG.0060", f"{most} such jobs of this project are not done yet, the maximum; try later")

    def _job_of_image(
        self, principal: Principal, image: Image, kind: JobKind, work: Mapping[str, Any], request_id: str
    ) -> NewJob:
        shown = {"image_id": image.id, "image_name": image.name, **work}
        new = _new_job(principal, kind, shown, request_id)
        return replace(new, image_id=image.id, rights=self._rights.grant_of(principal))


def _new_job(principal: Principal, kind: JobKind, given: Mapping[str, Any], request_id: str) -> NewJob:
    new_id = JobId(str(uuid4()))
    return NewJob(new_id, kind, principal.project_id, principal.user_id, input=given, request_id=request_id)
