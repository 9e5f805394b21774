"""Verify the bytes of an image in order: compute digests, inspect the format, refuse hostile images early.

Each digest has a thread of its own, and all inspectors together have one. Those of the first pieces are made beside the
quickest. Every lane's queue is short, so the slowest lane holds back the source of the bytes.
"""

import hashlib
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol, Self

from stillage import traces
from stillage.errors import DigestMismatch
from stillage.formats.base import Facts, ReadAt
from stillage.formats.noted_map import NotedMap
from stillage.formats.piece_digests import MADE_AT_ONCE, PieceHasher
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration, Policy, format_found, refusal
from stillage.formats.stream import Examination, Findings
from stillage.lanes import Lane

BLOCK = 1 << 20
# Inspect each of the first blocks before reading the next: they reveal most hostile images.
INSPECTED_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification that found nothing to refuse.

    Attributes:
        data_map: Where the disk holds data, as `NotedMap.pack`; None where the format itself tells.
        pieces: Digests of the first pieces, packed; see `formats.piece_digests`.
    """

    size: int
    facts: Facts
    digests: dict[str, str]
    data_map: bytes | None = None
    pieces: bytes = b""

    def require(self, declared: Iterable[tuple[str, str]]) -> None:
        """Raise DigestMismatch unless the bytes have the digests that were *declared* (algorithm, hex)."""
        for name, expected in declared:
            if self.digests[name] != expected:
                raise DigestMismatch(name, expected, self.digests[name])


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class Verification:
    """Use it as an asynchronous context manager; leaving it ends its threads."""

    def __init__(
        self, *, algorithms: Iterable[str], size: int | None, declaration: Declaration, policy: Policy
    ) -> None:
        """*algorithms*: `hashlib` names, beside MD5. *size*: of the whole; None if unknown."""
        self.size = 0
        self._declaration = declaration
        self._policy = policy
        self._examination = Examination(FORMATS, size=size)
        self._findings: Findings | None = None
        self._noted = NotedMap()
        # MD5 is not used for security: it is `checksum` in the API.
        names = sorted({"md5", *algorithms})
        self._digests: dict[str, Digest] = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._pieces = PieceHasher(MADE_AT_ONCE)
        self._quickest = "sha256" if "sha256" in self._digests else "md5"
        self._updates = {name: digest.update for name, digest in self._digests.items()}
        self._updates[self._quickest] = self._update_with_pieces

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._stack.enter_context(traces.part("verification"))
        self._hashing = {name: await self._stack.enter_async_context(Lane(f"hash-{name}")) for name in self._digests}
        self._inspecting = await self._stack.enter_async_context(Lane("inspect"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def feed(self, block: bytes) -> None:
        """Verify the next bytes. Returns when they are queued, so a later call may raise their error.

        Raises:
            ContentRejected: As soon as the bytes break a rule.
        """
        self.size += len(block)
        self._noted.feed(block)
        for name, lane in self._hashing.items():
            await lane.submit(self._updates[name], block)
        if self.size <= INSPECTED_AT_ONCE * BLOCK:
            await self._inspecting.call(self._inspect, block)
        elif self._inspecting.is_idle and self._examination.is_indifferent_to(block):
            # Most blocks of most images. Waking a thread would only interrupt one that hashes.
            self._examination.feed(block)
        else:
            await self._inspecting.submit(self._inspect, block)

    async def settle(self) -> None:
        """Wait until everything fed is hashed and inspected; raises ContentRejected if it breaks a rule."""
        for lane in (*self._hashing.values(), self._inspecting):
            await lane.call(lambda: None)

    async def conclude(self, read_at: ReadAt) -> Verified:
        """Return the verdict on all that was fed. *read_at* reads the stored bytes; it is called in a thread.

        Raises:
            ContentRejected: If the bytes break a rule.
        """
        facts = await self._inspecting.call(self._conclude, read_at)
        digests = {name: await lane.call(self._digests[name].hexdigest) for name, lane in self._hashing.items()}
        data_map = self._noted.pack() if _is_stored_as_it_is(facts) else None
        return Verified(self.size, facts, digests, data_map, self._pieces.packed())

    def _update_with_pieces(self, block: bytes) -> None:
        self._digests[self._quickest].update(block)
        self._pieces.feed(block)

    def _inspect(self, block: bytes) -> None:
        self._examination.feed(block)
        self._verify()

    def _conclude(self, read_at: ReadAt) -> Facts:
        self._examination.close(read_at)
        self._verify()
        return format_found(self._examination.findings)

    def _verify(self) -> None:
        findings = self._examination.findings
        if findings is self._findings:
            return
        self._findings = findings
        refused = refusal(findings, self._declaration, self._policy)
        if refused is not None:
            raise refused


def _is_stored_as_it_is(facts: Facts) -> bool:
    """Whether the bytes of the file are those of the disk, without a table of what they are."""
    return facts.format in ("raw", "iso") or (facts.format, facts.subformat) == ("vhd", "fixed")
