"""Build what a process needs for imports: what accepts them, and the functions of their jobs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from stillage.identity.vault import Vault
from stillage.operations.disks.converting import Converting
from stillage.operations.disks.opening import Disks
from stillage.operations.images import Images
from stillage.operations.imports.accepting import Imports
from stillage.operations.imports.context import Context
from stillage.operations.imports.creating import Creations
from stillage.operations.imports.importing import Importing
from stillage.operations.imports.objects import Objects
from stillage.operations.imports.sources import Sources
from stillage.operations.imports.staged import Staged
from stillage.operations.jobs import Queue
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.running import Kinds
from stillage.operations.upload.acceptance import UploadRules
from stillage.operations.upload.reception import Reception
from stillage.stores.buckets.catalog import Buckets


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What a deployment says of imports.

    Attributes:
        methods: That are enabled.
        upload: What it requires of the bytes.
        max_record_bytes: Of the texts of an image's record.
        convert_to: The format that images become whose record names none; None leaves them as they are.
        deleted_download_s: How long downloads of a copy that is removed may continue.
    """

    methods: Sequence[str]
    upload: UploadRules
    max_record_bytes: int
    convert_to: str | None
    deleted_download_s: float


@dataclass(frozen=True, slots=True)
class ImportService:
    """The imports of one process. Close it when its jobs have ended."""

    accept: Imports
    create: Creations
    converting: Converting
    kinds: Kinds
    close: Callable[[], Awaitable[None]]


def import_service(
    uploads: Uploads,
    queue: Queue,
    sources: Sources,
    buckets: Buckets,
    images: Images,
    disks: Disks,
    rules: ImportRules,
    vault: Vault,
) -> ImportService:
    """Return the imports of the process that *uploads* belong to."""
    objects = Objects(buckets, rules.upload.max_image_bytes)
    shared = uploads.context
    database, stores, clock = shared.database, shared.stores, shared.clock
    reception = Reception(database, stores, rules=rules.upload, clock=clock)
    context = Context(
        database, stores, reception, rules.upload, uploads.rights, shared.owner, rules.max_record_bytes, clock
    )
    staged = Staged(context, uploads.verifier)
    converting = Converting(database, stores, disks, reception, rules.upload, clock)
    importing = Importing(
        context,
        staged,
        converting,
        sources,
        objects,
        vault,
        convert_to=rules.convert_to,
        deleted_download_s=rules.deleted_download_s,
    )
    accept = Imports(
        database,
        stores,
        queue,
        access=shared.access,
        sources=sources,
        objects=objects,
        rights=uploads.rights,
        vault=vault,
        methods=rules.methods,
        convert_to=rules.convert_to,
        limits=rules.upload.quotas.project,
        clock=clock,
    )
    create = Creations(
        database,
        stores,
        queue,
        images=images,
        objects=objects,
        access=shared.access,
        rights=uploads.rights,
        limits=rules.upload.quotas.project,
        clock=clock,
    )
    return ImportService(accept, create, converting, importing.kinds(), reception.close)
