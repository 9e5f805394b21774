"""Asks without credentials what happens to bodies: the server refuses each at once, so nothing is stored."""

import uuid
from collections.abc import Generator
from dataclasses import dataclass, field

from stillage.client.doctor.wire import Cut, Head, Target, Wire

OCTETS = {"Content-Type": "application/octet-stream"}
SMALLEST, LARGEST = 10, 37
"""Exponents of 2 of the declared sizes: 1 KiB and 128 GiB."""
TOO_LARGE = 413
PIECE = bytes(64 << 10)
PROBED = 4
"""Pieces in the body that is held back."""
STREAMED = 256
"""Pieces that are sent at most until an answer comes: 16 MiB."""
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """Which declared sizes pass, in bytes. *refused* None: all do."""

    passed: int
    refused: int | None = None


@dataclass(frozen=True, slots=True)
class Early:
    """When an answer came: before the last byte of a body (*sent* of *size*), or after it, or not at all."""

    sent: int
    size: int
    head: Head | None = None
    cut: bool = False

    @property
    def is_early(self) -> bool:
        return self.head is not None and self.sent < self.size


@dataclass(frozen=True, slots=True)
class Bodies:
    """What happens to bodies on the path."""

    limit: Limit
    expected: Head | None
    early: Early
    streamed: Early = field(default_factory=lambda: Early(0, 0))


async def ask_for_bodies(target: Target, within_s: float) -> Bodies:
    """Probe *target*. An answer that is expected early is waited for *within_s* seconds.

    Raises:
        OSError: If there is no connection.
    """
    limit = await _find_limit(target, within_s)
    early = await _held_back(target, min(PROBED * len(PIECE), limit.passed), within_s)
    expected = await _first_answer(target, min(len(PIECE), limit.passed), within_s)
    if not early.is_early:
        return Bodies(limit, expected, early)
    return Bodies(limit, expected, early, await _streamed(target, min(STREAMED * len(PIECE), limit.passed), within_s))


async def _find_limit(target: Target, within_s: float) -> Limit:
    asking = limits()
    size = next(asking)
    try:
        while True:
            size = asking.send(await _refused(target, size, within_s))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return] # of the generator


def limits() -> Generator[int, bool, Limit]:
    """Find the powers of two between which bodies begin to be refused: yields a size, and is sent whether it is."""
    if not (yield 1 << LARGEST):
        return Limit(1 << LARGEST)
    passed, refused = SMALLEST - 1, LARGEST
    while refused - passed > 1:
        middle = (passed + refused) // 2
        if (yield 1 << middle):
            refused = middle
        else:
            passed = middle
    return Limit(1 << passed, 1 << refused)


async def _refused(target: Target, size: int, within_s: float) -> bool:
    head = await _first_answer(target, size, within_s)
    return head is not None and head.status == TOO_LARGE and not head.is_of_the_service


async def _first_answer(target: Target, size: int, within_s: float) -> Head | None:
    """Return the answer to a body of *size* bytes that waits for a 100."""
    async with Wire.to(target) as wire:
        try:
            await wire.send_head("PUT", _path(), OCTETS | {"Content-Length": str(size), "Expect": "100-continue"})
            return await wire.answer(within_s)
        except Cut:
            return None


async def _held_back(target: Target, size: int, within_s: float) -> Early:
    """Send one byte of *size*, wait, and only then the others."""
    async with Wire.to(target) as wire:
        try:
            await wire.send_head("PUT", _path(), OCTETS | {"Content-Length": str(size)})
            await wire.send(b"\0")
            if (head := await wire.final(within_s)) is not None:
                return Early(1, size, head)
            _, head = await wire.send_until_answered([bytes(size - 1)], within_s)
            return Early(size, size, head)
        except Cut:
            return Early(1, size, cut=True)


async def _streamed(target: Target, size: int, within_s: float) -> Early:
    """Send *size* bytes as fast as possible. A connection may break by chance, so one answer is enough."""
    for _ in range(ATTEMPTS):
        async with Wire.to(target) as wire:
            try:
                await wire.send_head("PUT", _path(), OCTETS | {"Content-Length": str(size)})
                sent, head = await wire.send_until_answered([PIECE] * (size // len(PIECE)), within_s)
                return Early(sent, size, head)
            except Cut:
                continue
    return Early(0, size, cut=True)


def _path() -> str:
    return f"/v2/images/{uuid.uuid4()}/file"
