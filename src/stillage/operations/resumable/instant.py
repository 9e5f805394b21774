"""Instant uploads: a client proves that it has bytes that are stored already, and need not send them.

Its project must be allowed to read them. The client declares their digest and proves that it has them by digests of
ranges that we choose (`possession`). The digest of the whole, which may be public, is no proof.
"""

from collections.abc import Sequence

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, placements
from stillage.db import images as db_images
from stillage.db import uploads as db
from stillage.errors import Conflict, StillageError, UploadGone
from stillage.ids import BlobRef, ImageId
from stillage.images.access import Seen
from stillage.images.image import PACKAGES, Content, Image
from stillage.images.status import Status
from stillage.images.upload import Grant, Upload
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.resumable.context import Context
from stillage.operations.resumable.possession import NOT_HERE, Possession, Proof
from stillage.operations.upkeep.sweep import remove_blob
from stillage.spans import Span

log = structlog.get_logger()

GIB = 1 << 30


class Instant:
    def __init__(self, context: Context, secret: bytes) -> None:
        self._database = context.database
        self._stores = context.stores
        self._access = context.access
        self._rights = context.rights
        self._rules = context.rules
        self._clock = context.clock
        self._possession = Possession(context, secret, b"proofs of possession")

    async def offer(self, principal: Principal, upload: Upload) -> Proof | None:
        """Return what to prove, if the store of *upload* has bytes that *principal* may read, with its digests."""
        if not upload.digests or not upload.size:
            return None
        image = await self._database.read(db_images.get, upload.image_id)
        wanted = (upload.digests, upload.size, upload.blob.store)
        candidates = await self._database.read(db.with_bytes, *wanted, principal.project_id)
        source = next((seen.image for seen in candidates if self._may_stand_for(principal, seen, image)), None)
        if source is None:
            return None
        return self._possession.ask(upload.id, source.id, (Span(0, upload.size),))

    async def prove(self, upload: Upload, nonce: str, digests: Sequence[str], sender: Principal | None = None) -> Image:
        """Return the image of *upload*, active with bytes that the client has proved to have.

        Rights are checked again: they may have changed since the proof was offered.

        Args:
            upload: As last read.
            nonce: Of the proof.
            digests: Of the ranges, in hex.
            sender: None for a request with the upload's capability.

        Raises:
            Conflict: If the proof is wrong. The upload stays open, and its bytes can be sent.
            UploadSuspended: If the sender, or the upload's opener, has lost the right to upload.
            UploadGone: If the upload has ended.
        """
        grant = None if sender is None else self._rights.grant_of(sender)
        principal = await self._rights.require(upload, grant)
        source = await self._possession.source_of(upload.id, nonce)
        await self._database.read(self._require_standing_for, principal, source, upload.image_id)
        blob = await self._blob_of(source, upload)
        ranges = self._possession.ranges(nonce, (Span(0, source.size or 0),))
        await self._possession.require(nonce, digests, blob, ranges)
        return await self._publish(upload, source, blob, grant)

    def _require_standing_for(
        self, connection: Connection, principal: Principal, source: Image, image_id: ImageId
    ) -> None:
        """Raise Conflict unless *principal* may read *source* now. The message reveals nothing of it."""
        seen = db_images.find_seen(connection, source.id, principal.project_id)
        image = db_images.find(connection, image_id)
        well = seen is not None and seen.image.status is Status.ACTIVE and seen.image.damage is None
        if seen is None or image is None or not well or not self._may_stand_for(principal, seen, image):
            raise Conflict(NOT_HERE)

    def _may_stand_for(self, principal: Principal, seen: Seen, image: Image) -> bool:
        """Return whether *seen* was verified against the same declaration, so that it need not be verified again."""
        source = seen.image
        disk_gib = (source.virtual_size or 0) / GIB
        return (
            self._access.allows(principal, "get_image", seen)
            and self._access.allows(principal, "download_image", seen)
            and image.disk_format in (None, source.disk_format)
            and (image.container_format in PACKAGES) == (source.container_format in PACKAGES)
            and not (self._rules.policy.min_disk_binds and image.min_disk < disk_gib)
        )

    async def _blob_of(self, source: Image, upload: Upload) -> BlobRef:
        """Return the good copy of *source* in the store of *upload*."""
        for placement in await self._database.read(placements.of_image, source.id):
            if placement.blob.store == upload.blob.store and placement.damage is None:
                return placement.blob
        raise Conflict(NOT_HERE)

    async def _publish(self, upload: Upload, source: Image, blob: BlobRef, grant: Grant | None) -> Image:
        claim = await self._database.read(db.claim_of, upload.id)
        kept = self._rules.format_property
        content = Content(
            size=source.size or 0,
            virtual_size=source.virtual_size,
            disk_format=source.disk_format,
            checksum=source.checksum or "",
            os_hash_algo=source.os_hash_algo or "",
            os_hash_value=source.os_hash_value or "",
            properties={kept: source.properties[kept]} if kept is not None and kept in source.properties else {},
        )

        def publish(connection: Connection, principal: Principal) -> Image | None:
            if claim is None:
                return None
            db.hold_source(connection, source, principal.project_id)
            self._require_standing_for(connection, principal, source, upload.image_id)
            return db.publish_same(connection, claim, content, source, blob, self._clock())

        image = await self._rights.run(upload, publish, grant=grant, hold=True)
        try:
            # What it has sent: nobody needs it.
            await remove_blob(self._database, self._stores, upload.blob, self._clock())
        except StillageError as error:
            leave_to_sweep("what an instant upload had sent could not be removed", error, key=upload.blob.key)
        if image is None:
            raise UploadGone(upload.id, "the image was deleted, or got its data another way")
        log.info("upload done without its bytes", image_id=image.id, upload_id=upload.id, size=image.size)
        return image
