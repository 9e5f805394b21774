"""Proofs that a client has bytes which are stored already: digests of ranges that we choose, mixed with a nonce.

A nonce is signed, so that nothing has to be remembered between the question and its answer.
"""

import asyncio
import base64
import hmac
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from stillage.db import images as db_images
from stillage.errors import BlobNotFound, Conflict
from stillage.ids import BlobRef, ImageId
from stillage.images.image import Image
from stillage.images.status import Status
from stillage.operations.resumable.context import Context
from stillage.spans import Span, total

RANGES = 32
RANGE_BYTES = 16 << 10
VALID_S = 600

NOT_HERE = "the server no longer has these bytes; send them"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a client must send: for every range the SHA-256 of the nonce's text and the bytes of the range."""

    nonce: str
    ranges: tuple[Span, ...]


class Possession:
    """Asks for proofs of one *purpose*, and checks them: a nonce of one purpose is of no use for another."""

    def __init__(self, context: Context, secret: bytes, purpose: bytes) -> None:
        self._database = context.database
        self._stores = context.stores
        self._clock = context.clock
        self._key = hmac.digest(secret, purpose, "sha256")

    def ask(self, about: str, source: ImageId, spans: Sequence[Span]) -> Proof:
        """Return what to prove of *spans*, which ascend.

        Args:
            about: What the nonce is for; `source_of` needs the same.
            source: The image that has the bytes.
            spans: Of the client's file.
        """
        until = int(self._clock().timestamp()) + VALID_S
        text = f"{until}.{source}.{secrets.token_urlsafe(16)}"
        nonce = f"{text}.{self._mac(about, text)}"
        return Proof(nonce, self.ranges(nonce, spans))

    async def source_of(self, about: str, nonce: str) -> Image:
        """Return the image that *nonce* is for; Conflict if the nonce is not ours, or old, or the image is gone."""
        text, _, mac = nonce.rpartition(".")
        if not hmac.compare_digest(_octets(mac), _octets(self._mac(about, text))):
            raise Conflict("this nonce belongs to another upload; send the bytes")
        until, source_id, _ = text.split(".")
        if int(until) < self._clock().timestamp():
            raise Conflict("this nonce has expired; send the bytes")
        source = await self._database.read(db_images.find, ImageId(source_id))
        if source is None or source.status is not Status.ACTIVE or source.damage is not None:
            raise Conflict(NOT_HERE)
        return source

    async def require(self, nonce: str, digests: Sequence[str], blob: BlobRef, places: Sequence[Span]) -> None:
        """Raise Conflict unless *digests* are those of the ranges, which are at *places* of *blob*."""
        try:
            async with self._stores.reader(blob) as reader:
                # All at once: in an object store each is a request.
                parts = await asyncio.gather(*(reader.read(span.first, span.length) for span in places))
        except BlobNotFound as error:
            raise Conflict(NOT_HERE) from error
        expected = "".join(sha256(nonce.encode() + part).hexdigest() for part in parts)
        if not hmac.compare_digest(_octets("".join(digests).lower()), _octets(expected)):
            raise Conflict("the digests are not those of the requested ranges; send the bytes")

    def ranges(self, nonce: str, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Return the ranges of *spans* to prove. Nobody can predict them before the nonce is known, nor choose it."""
        size = total(spans)
        if size <= RANGES * RANGE_BYTES:
            return tuple(spans)
        dice = random.Random(hmac.digest(self._key, b"ranges" + nonce.encode(), "sha256"))  # noqa: S311 - seeded by a MAC
        at, picked, left = 0, [], sorted(dice.randrange(size) for _ in range(RANGES))
        for span in spans:
            places = max(1, span.length - RANGE_BYTES + 1)
            while left and left[0] < at + span.length:
                first = span.first + (left.pop(0) - at) * places // span.length
                picked.append(Span(first, min(first + RANGE_BYTES, span.end)))
            at += span.length
        return tuple(picked)

    def _mac(self, about: str, text: str) -> str:
        mac = hmac.digest(self._key, _octets(f"{about}\0{text}"), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def _octets(text: str) -> bytes:
    """JSON may hold half of a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")
