"""Instant uploads: a client proves that it has bytes that are stored already, and need not send them.

Its project must be allowed to read them. The client declares their digest and proves that it has them by digests of
ranges that we choose, mixed with a nonce. The digest of the whole, which may be public, is no proof.
"""

import asyncio
import base64
import hmac
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog

from stillage.accounts.principal import Principal
from stillage.db import Connection, placements
from stillage.db import images as db_images
from stillage.db import uploads as db
from stillage.errors import BlobNotFound, Conflict, StillageError, UploadGone
from stillage.ids import BlobRef, ImageId
from stillage.images.access import Seen
from stillage.images.image import PACKAGES, Content, Image
from stillage.images.status import Status
from stillage.images.upload import Grant, Upload
from stillage.operations.leftovers import leave_to_sweep
from stillage.operations.resumable.context import Context
from stillage.operations.upkeep.sweep import remove_blob
from stillage.spans import Span

log = structlog.get_logger()

RANGES = 32
RANGE_BYTES = 16 << 10
VALID_S = 600
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Proof:
    """What a client must send: for every range the SHA-256 of the nonce's text and the bytes of the range."""

    nonce: str
    ranges: tuple[Span, ...]


class Instant:
    def __init__(self, context: Context, secret: bytes) -> None:
        self._database = context.database
        self._stores = context.stores
        self._access = context.access
        self._rights = context.rights
        self._rules = context.rules
        self._clock = context.clock
        self._key = hmac.digest(secret, b"proofs of possession", "sha256")

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
        until = int(self._clock().timestamp()) + VALID_S
        text = f"{until}.{source.id}.{secrets.token_urlsafe(16)}"
        nonce = f"{text}.{self._mac(upload, text)}"
        return Proof(nonce, self._ranges(nonce, upload.size))

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
        source = await self._source_of(upload, nonce)
        await self._database.read(self._require_standing_for, principal, source, upload.image_id)
        blob = await self._blob_of(source, upload)
        expected = await self._expected(blob, self._ranges(nonce, source.size or 0), nonce)
        if not hmac.compare_digest(_octets("".join(digests).lower()), _octets("".join(expected))):
            raise Conflict("the digests are not those of the requested ranges; send the bytes")
        return await self._publish(upload, source, blob, grant)

    def _require_standing_for(
        self, connection: Connection, principal: Principal, source: Image, image_id: ImageId
    ) -> None:
        """Raise Conflict unless *principal* may read *source* now. The message reveals nothing of it."""
        seen = db_images.find_seen(connection, source.id, principal.project_id)
        image = db_images.find(connection, image_id)
        well = seen is not None and seen.image.status is Status.ACTIVE and seen.image.damage is None
        if seen is None or image is None or not well or not self._may_stand_for(principal, seen, image):
            raise Conflict("the server no longer has these bytes; send them")

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

    async def _source_of(self, upload: Upload, nonce: str) -> Image:
        text, _, mac = nonce.rpartition(".")
        if not hmac.compare_digest(_octets(mac), _octets(self._mac(upload, text))):
            raise Conflict("this nonce belongs to another upload; send the bytes")
        until, source_id, _ = text.split(".")
        if int(until) < self._clock().timestamp():
            raise Conflict("this nonce has expired; send the bytes")
        source = await self._database.read(db_images.find, ImageId(source_id))
        if source is None or source.status is not Status.ACTIVE or source.damage is not None:
            raise Conflict("the server no longer has these bytes; send them")
        return source

    async def _blob_of(self, source: Image, upload: Upload) -> BlobRef:
        """Return the good copy of *source* in the store of *upload*."""
        for placement in await self._database.read(placements.of_image, source.id):
            if placement.blob.store == upload.blob.store and placement.damage is None:
                return placement.blob
        raise Conflict("the server no longer has these bytes; send them")

    async def _expected(self, blob: BlobRef, ranges: Sequence[Span], nonce: str) -> list[str]:
        try:
            async with self._stores.reader(blob) as reader:
                # All at once: in an object store each is a request.
                parts = await asyncio.gather(*(reader.read(span.first, span.length) for span in ranges))
        except BlobNotFound as error:
            raise Conflict("the server no longer has these bytes; send them") from error
        return [sha256(nonce.encode() + part).hexdigest() for part in parts]

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

    def _ranges(self, nonce: str, size: int) -> tuple[Span, ...]:
        """Nobody can predict them before the nonce is known, nor choose the nonce."""
        if size <= RANGES * RANGE_BYTES:
            return (Span(0, size),)
        dice = random.Random(hmac.digest(self._key, b"ranges" + nonce.encode(), "sha256"))  # noqa: S311 - seeded by a MAC
        firsts = sorted(dice.randrange(size - RANGE_BYTES + 1) for _ in range(RANGES))
        return tuple(Span(first, first + RANGE_BYTES) for first in firsts)

    def _mac(self, upload: Upload, text: str) -> str:
        mac = hmac.digest(self._key, _octets(f"{upload.id}\0{text}"), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def _octets(text: str) -> bytes:
    """JSON may hold half of a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")
