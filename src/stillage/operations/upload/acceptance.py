"""What a deployment requires of an image's bytes, and what the image's record says of them afterwards."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from stillage.db import images as db
from stillage.db.session import Database
from stillage.errors import Conflict, EmptyBody, ImageGone, StillageError, StorageFull, Unavailable
from stillage.formats.base import Facts
from stillage.formats.safety import Declaration, Policy
from stillage.ids import ImageId
from stillage.images.image import PACKAGES, Content, Image
from stillage.images.quota import Quotas
from stillage.images.status import Status
from stillage.operations.upload.verification import Verification, Verified
from stillage.stores.abilities import Measures, Rations
from stillage.stores.base import Store

log = structlog.get_logger()

# Bytes after which an upload checks the free space again. Each running upload may use so much of `spare_bytes`.
LOOK_AFTER = 16 << 20
# Bytes that an upload of unknown size reserves at a time.
STEP = 64 << 20

NEVER_CHANGES = "data is stored once and never changes"
WHY_TAKEN: Mapping[Status, str] = {
    Status.SAVING: "another upload is running",
    Status.UPLOADING: "its bytes are staged; import them, or delete it",
    Status.IMPORTING: "an import is running",
}


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What a deployment requires of uploads.

    Attributes:
        max_image_bytes: Inclusive.
        hash_algorithm: For ``os_hash_value``; a `hashlib` name.
        may_be_empty: Declared formats for which zero bytes are a valid image.
        recordable_formats: Formats that, when found, replace the image's ``disk_format``.
        format_property: Where the exact format is kept when ``disk_format`` says another; None keeps it nowhere.
        lease_s: How long an upload holds its image without renewing its lease.
        quotas: Of projects and of this node.
        spare_bytes: What an upload must leave free in the store.
    """

    max_image_bytes: int
    hash_algorithm: str
    may_be_empty: frozenset[str]
    recordable_formats: frozenset[str]
    format_property: str | None
    lease_s: float
    policy: Policy
    quotas: Quotas
    spare_bytes: int


def declaration_of(image: Image) -> Declaration:
    return Declaration(image.disk_format, image.container_format in PACKAGES, image.min_disk)


def verification_of(
    image: Image, rules: UploadRules, size: int | None, digests: Iterable[tuple[str, str]]
) -> Verification:
    """Return a verification of the bytes of *image*: of *size*, if known, computing *digests* as well."""
    return Verification(
        algorithms=(rules.hash_algorithm, *(name for name, _ in digests)),
        size=size,
        declaration=declaration_of(image),
        policy=rules.policy,
    )


def content_of(image: Image, verified: Verified, rules: UploadRules) -> Content:
    """Return what the record of *image* is to say of its bytes."""
    return Content(
        size=verified.size,
        **_described(declaration_of(image), verified.facts, rules),
        checksum=verified.digests["md5"],
        os_hash_algo=rules.hash_algorithm,
        os_hash_value=verified.digests[rules.hash_algorithm],
        sha256=verified.digests.get("sha256"),
        found=verified.facts.format,
        facts=asdict(verified.facts),
        data_map=verified.data_map,
        pieces=verified.pieces,
    )


async def claim_refused(database: Database, image_id: ImageId) -> StillageError:
    """Return why the image could not be claimed for an upload."""
    now = await database.read(db.find, image_id)
    if now is None:
        return ImageGone(image_id)
    return Conflict(f"image {image_id} is {now.status}, not queued: {WHY_TAKEN.get(now.status, NEVER_CHANGES)}")


def require_may_be_empty(image: Image, rules: UploadRules) -> None:
    """Raise EmptyBody unless an image of this format may be empty."""
    if image.disk_format not in rules.may_be_empty:
        formats = ", ".join(sorted(rules.may_be_empty))
        which = f"only {formats} images may be" if formats else "no image may be"
        raise EmptyBody(f"the body is empty, and {which}; send the file again")


async def require_room(
    store: Store, size: int | None, spare_bytes: int, what: str = "image", *, is_reserved: bool = False
) -> None:
    """Raise StorageFull unless *store* has room for *size* bytes, if known, and *spare_bytes* besides on its disk.

    How much room there is concerns the operator alone: it is in the log, not in the error. A store that cannot say how
    much it has refuses nothing until it is full. *is_reserved*: the database counts these bytes already.
    """
    if isinstance(store, Rations):
        free, spare_bytes = await store.left_bytes(), 0
        size = None if is_reserved else size
    elif isinstance(store, Measures):
        free = await store.free_bytes()
    else:
        return
    if (size or 0) > free - spare_bytes:
        log.warning("the store has no room", free_bytes=free, spare_bytes=spare_bytes, wanted_bytes=size)
        wanted = "left" if size is None else f"for this {what} of {size} bytes"
        raise StorageFull(f"the store has no room {wanted}; ask the operator")


async def require_spare_room(store: Store, spare_bytes: int) -> None:
    """Raise StorageFull, in the middle of an upload, if no more than *spare_bytes* are left."""
    with suppress(Unavailable):  # a disk or a database that hangs delays the upload anyway
        await require_room(store, None, spare_bytes)


def _described(declaration: Declaration, facts: Facts, rules: UploadRules) -> dict[str, Any]:
    """What the record is to say of the disk inside: its size and its format."""
    declared = declaration.disk_format
    if declaration.wrapped and facts.format == "raw":
        return {"virtual_size": None, "disk_format": declared}
    recorded = facts.format if declared is None or facts.format in rules.recordable_formats else declared
    kept = rules.format_property
    properties = {kept: facts.format} if kept is not None and facts.format != recorded else {}
    return {"virtual_size": facts.virtual_size, "disk_format": recorded, "properties": properties}
