"""One pass over the bytes of an upload: counted, hashed twice, inspected and written, each in a thread of its own.

Pieces are joined to blocks of 1 MiB before another thread sees them. Every lane's queue is short, so the slowest stage
holds back the socket, and an upload costs a few MiB of memory whatever its size.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol, Self

from stillage.errors import DigestMismatch, ImageTooLarge, SizeMismatch
from stillage.formats.base import Facts
from stillage.formats.catalogue import FORMATS
from stillage.formats.safety import Declaration, Policy, format_found, refusal
from stillage.formats.stream import Examination, Findings
from stillage.lanes import Lane
from stillage.stores.base import BlobWriter

BLOCK = 1 << 20
# The first blocks are judged before the next is read: most hostile images show themselves there.
JUDGED_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Announced:
    """What the client said of the bytes before sending them. None: nothing.

    Attributes:
        size: Their number, from ``Content-Length`` or ``x-openstack-image-size``.
        digests: Algorithm (a `hashlib` name) to hex digest, from ``Content-MD5`` or ``Content-Digest``.
    """

    size: int | None = None
    digests: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """What is known of the bytes when all of them passed."""

    size: int
    facts: Facts
    digests: dict[str, str]


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


async def blocks_of(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Join and cut *body*'s pieces to blocks of exactly `BLOCK` bytes; the last may be shorter."""
    pieces: list[bytes] = []
    room = BLOCK
    async for piece in body:
        rest = piece
        while len(rest) >= room:
            pieces.append(rest[:room])
            yield b"".join(pieces)
            rest = rest[room:]
            pieces.clear()
            room = BLOCK
        if rest:
            pieces.append(rest)
            room -= len(rest)
    if pieces:
        yield b"".join(pieces)


class Pipeline:
    """The stages of one upload. Use it as an asynchronous context manager; leaving ends its threads."""

    def __init__(
        self,
        writer: BlobWriter,
        *,
        hash_algorithm: str,
        announced: Announced,
        declaration: Declaration,
        policy: Policy,
    ) -> None:
        self._writer = writer
        self._announced = announced
        self._declaration = declaration
        self._policy = policy
        self._examination = Examination(FORMATS, size=announced.size)
        self._judged: Findings | None = None
        # MD5 is not used for security: it is `checksum` in the API.
        names = {"md5", hash_algorithm, *(name for name, _ in announced.digests)}
        self._digests: dict[str, Digest] = {name: hashlib.new(name, usedforsecurity=False) for name in sorted(names)}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._hashing = {name: await self._stack.enter_async_context(Lane(f"hash-{name}")) for name in self._digests}
        self._inspecting = await self._stack.enter_async_context(Lane("inspect"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def receive(self, body: AsyncIterator[bytes], *, limit: int) -> Received:
        """Take all of *body* through every stage. The bytes are written and judged, and not yet committed.

        Raises:
            ContentRejected: As soon as the bytes break a rule.
            ImageTooLarge: At the first byte beyond *limit*.
            SizeMismatch, DigestMismatch: If they are not what was announced.
            StillageError: What *body* and the writer raise.
        """
        size = 0
        async for block in blocks_of(body):
            size += len(block)
            if size > limit:
                raise ImageTooLarge(limit)
            if self._announced.size is not None and size > self._announced.size:
                raise SizeMismatch(self._announced.size, size)
            for name, lane in self._hashing.items():
                await lane.submit(self._digests[name].update, block)
            if size <= JUDGED_AT_ONCE * BLOCK:
                await self._inspecting.call(self._inspect, block)
            else:
                await self._inspecting.submit(self._inspect, block)
            await self._writer.write(block)
        if self._announced.size not in (None, size):
            raise SizeMismatch(self._announced.size or 0, size)
        await self._writer.flush()
        facts = await self._inspecting.call(self._conclude)
        digests = {name: await lane.call(self._digests[name].hexdigest) for name, lane in self._hashing.items()}
        for name, expected in self._announced.digests:
            if digests[name] != expected:
                raise DigestMismatch(name, expected, digests[name])
        return Received(size, facts, digests)

    def _inspect(self, block: bytes) -> None:
        self._examination.feed(block)
        self._judge()

    def _conclude(self) -> Facts:
        self._examination.close(self._writer.read_at)
        self._judge()
        return format_found(self._examination.findings)

    def _judge(self) -> None:
        findings = self._examination.findings
        if findings is self._judged:
            return
        self._judged = findings
        refused = refusal(findings, self._declaration, self._policy)
        if refused is not None:
            raise refused
