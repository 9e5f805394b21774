"""Accept imports: check all that the request alone shows, lock the image, and enqueue the job.

Source: OpenStack Image API v2, "Import an image"; the order of the checks is Glance's, with the rights before the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, imports, jobs, quotas
from stillage.db import images as db_images
from stillage.db import uploads as db_uploads
from stillage.db.session import Database
from stillage.errors import (
    AlreadyInStore,
    Conflict,
    Forbidden,
    FormatNotAvailable,
    ImageNotFound,
    ImportRunning,
    InvalidInput,
    NoSuchStore,
    NotReadyForImport,
    QuotaExceeded,
)
from stillage.identity.vault import Vault
from stillage.ids import ImageId, JobId, StoreId
from stillage.images.access import Access, Seen
from stillage.images.image import Image
from stillage.images.import_request import ImportRequest, Method
from stillage.images.job import Job, NewJob
from stillage.images.object_name import parse as parse_object
from stillage.images.quota import Limits
from stillage.images.status import Status
from stillage.images.upload import Upload
from stillage.operations.disks.converting import target_of
from stillage.operations.imports.objects import Objects
from stillage.operations.imports.plan import KINDS, input_of, web_file_of
from stillage.operations.imports.sources import RemoteImage, Sources
from stillage.operations.jobs import Queue
from stillage.operations.locations import SERVICE, as_service
from stillage.operations.resumable.rights import UploadRights
from stillage.stores.catalog import Stores

log = structlog.get_logger()

NEEDED: dict[Method, tuple[Status, str]] = {
    Method.STAGED: (Status.UPLOADING, "stage its data first, with PUT /v2/images/{image_id}/stage"),
    Method.WEB: (Status.QUEUED, "this method gives data to an image that has none"),
    Method.REMOTE: (Status.QUEUED, "this method gives data to an image that has none"),
    Method.OBJECT: (Status.QUEUED, "a file of a bucket gives data to an image that has none"),
    Method.LOCATION: (Status.QUEUED, "a location gives data to an image that has none"),
    Method.COPY: (Status.ACTIVE, "only active images are copied"),
}
"""The status that the image must have, and what to say if it has another."""
FORMATS = ("container_format", "disk_format")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for an import, beside the principal.

    Attributes:
        token: For another image service; None for a request without one.
        request_id: Shown with the task.
    """

    token: str | None = None
    request_id: str | None = None


class Imports:
    """``POST /v2/images/{image_id}/import``.

    Attributes:
        methods: That are enabled, in the operator's order.
    """

    def __init__(
        self,
        database: Database,
        stores: Stores,
        queue: Queue,
        *,
        access: Access,
        sources: Sources,
        objects: Objects,
        rights: UploadRights,
        vault: Vault,
        methods: Sequence[str],
        convert_to: str | None,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self.methods = tuple(methods)
        self._database = database
        self._stores = stores
        self._queue = queue
        self._access = access
        self._sources = sources
        self._objects = objects
        self._rights = rights
        self._vault = vault
        self._convert_to = convert_to
        self._limits = limits
        self._clock = clock

    async def __call__(self, principal: Principal, image_id: str, request: ImportRequest, asked: Asked) -> Job | None:
        """Return the job; None if there is nothing to do, because every store has the image.

        Raises:
            ImageNotFound, Forbidden: As the principal's rights are.
            Conflict: If the image is not in the status for this method, another import runs, or a store is not here.
            InvalidInput: If the image is in the store already, or the source is none that may be asked.
            QuotaExceeded: If the project uses all that it may.
        """
        image = await self._writable(principal, image_id, request.method)
        upload = await self._require_ready(image, request.method)
        stores = self._stores_of(request, image)
        if not stores:
            await self._database.write(imports.note_nothing_to_do, image.id)
            return None
        await self._require_quota(image)
        if request.method is Method.OBJECT:
            await self._objects.require(principal.project_id, parse_object("image_url", request.url))
        task = JobId(str(uuid4()))
        new = NewJob(
            task,
            KINDS[request.method],
            principal.project_id,
            principal.user_id,
            image_id=image.id,
            input=input_of(image.id, request, stores),
            sealed=self._sealed(task, image, request, asked),
            rights=self._rights.grant_of(principal),
            request_id=asked.request_id,
        )
        job = await self._database.write(self._accept, new, image, stores, upload)
        if job is None:
            raise await self._why_not(image.id, request.method)
        await self._queue.accepted(job)
        log.debug("import accepted", image_id=image.id, task=task, method=request.method, stores=stores)
        return job

    async def _writable(self, principal: Principal, image_id: str, method: Method) -> Image:
        seen = await self._database.look_up(db_images.find_seen, image_id, principal.project_id)
        if method is Method.LOCATION:
            return self._locatable(principal, seen, image_id)
        if method is Method.COPY:
            return self._access.require(principal, "copy_image", seen, image_id)
        self._access.require(principal, "modify_image", seen, image_id)
        return self._access.require(principal, "upload_image", seen, image_id)

    def _locatable(self, principal: Principal, seen: Seen | None, image_id: str) -> Image:
        who = as_service(principal)
        if SERVICE not in who.roles and Method.WEB not in self.methods:
            self._access.require_visible(principal, seen, image_id)
            raise Forbidden("only services may add locations here: web-download is disabled")
        return self._access.require(who, "add_image_location", seen, image_id)

    async def _require_ready(self, image: Image, method: Method) -> Upload | None:
        """Return the upload of staged bytes; None for other methods."""
        if (refusal := _refusal(image, method)) is not None:
            raise refusal
        if method is not Method.COPY:
            self._require_target(image)
        if method is not Method.STAGED:
            return None
        upload = await self._database.read(db_uploads.find_of_image, image.id)
        if upload is None or not upload.is_whole:
            have = 0 if upload is None else upload.offset
            raise NotReadyForImport(f"image {image.id} is still being staged: {have} bytes have come; import it then")
        return upload

    def _require_target(self, image: Image) -> None:
        """Raise InvalidInput if nothing makes the format that the image is to become."""
        try:
            target_of(image, self._convert_to)
        except FormatNotAvailable as error:
            raise InvalidInput(str(error)) from error

    def _stores_of(self, request: ImportRequest, image: Image) -> tuple[StoreId, ...]:
        """Return the stores to fill. None where a copy to all of them would have nothing to do."""
        if request.all_stores:
            there = [one.id for one in self._stores if not one.read_only]
            return tuple(store for store in there if store not in image.stores)
        named = [self._stores.default.id] if request.stores is None else [StoreId(name) for name in request.stores]
        for store in named:
            self._require_writable(store)
            if store in image.stores:
                raise AlreadyInStore(image.id, store)
        return tuple(named)

    def _require_writable(self, store: StoreId) -> None:
        try:
            self._stores.chosen(store)
        except NoSuchStore as error:  # 409 in this call, as in Glance
            raise Conflict(str(error)) from error

    async def _require_quota(self, image: Image) -> None:
        """Raise QuotaExceeded if there is no room at all; the job finds out the rest."""
        found = await self._database.read(quotas.find, image.owner, self._limits)
        most, used = found.limits.bytes, found.usage.bytes
        if most is not None and 0 <= most <= used and image.status is not Status.UPLOADING:
            raise QuotaExceeded("bytes", most, used, 1)

    def _sealed(self, task: JobId, image: Image, request: ImportRequest, asked: Asked) -> str | None:
        """Check the source, without asking anybody; return what only the worker may read."""
        if request.method in (Method.WEB, Method.LOCATION):
            self._sources.web.check(web_file_of(request.url, image))
            return None
        if request.method is not Method.REMOTE:
            return None
        if asked.token is None:
            raise InvalidInput("glance-download needs a token in X-Auth-Token, which the other service takes as well")
        region, image_id, interface = request.remote
        self._sources.remote.check(RemoteImage(region, image_id, interface, asked.token))
        return self._vault.seal(task, asked.token)

    def _accept(
        self, connection: Connection, new: NewJob, image: Image, stores: tuple[StoreId, ...], upload: Upload | None
    ) -> Job | None:
        """Lock the image and enqueue the job; None if the image is not as it was. Part of a unit of work."""
        if not imports.begin(connection, image.id, image.status, new.id, stores, self._clock()):
            return None
        if upload is not None and new.rights is not None and upload.rights != new.rights:
            db_uploads.take_over(connection, upload, new.rights)  # who imports is who needs the rights from now on
        return jobs.enqueue(connection, new, self._clock())

    async def _why_not(self, image_id: ImageId, method: Method) -> Exception:
        now = await self._database.read(db_images.find, image_id)
        if now is None:
            return ImageNotFound(image_id)
        return _refusal(now, method) or Conflict(f"image {image_id} is being changed by other requests; try again")


def _refusal(image: Image, method: Method) -> Exception | None:
    """Return why *image* cannot be imported by *method* now; None if it can."""
    if image.import_task is not None:
        return ImportRunning(image.id, image.import_task)
    status, advice = NEEDED[method]
    if image.status is not status:
        return NotReadyForImport(f"image {image.id} is {image.status}, and {method} needs it {status}: {advice}")
    # An object is described by its bytes alone.
    missing = [name for name in FORMATS if getattr(image, name) is None and method is not Method.OBJECT]
    if missing:
        return NotReadyForImport(f"{missing[0]} of image {image.id} must be set before it is imported")
    return None
