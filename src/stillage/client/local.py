"""Reads a local file block by block, skipping holes, and inspects it as an upload would be."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from stillage.formats.base import Format
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration, Policy
from stillage.formats.stream import Examination
from stillage.formats.verdict import Verdict, verdict
from stillage.holes import next_data

BLOCK = 1 << 20
# A hole costs one step per this many bytes instead of one per MiB.
HOLE = bytes(16 << 20)

# What is passed over leaves so much of the real bytes in front of what is wanted: an inspector may step back a little.
KEPT = BLOCK

Saw = Callable[[int, bytes], None]
"""``saw(start, block)`` is called for all bytes in order. Blocks of a hole are slices of `HOLE`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment would refuse, from its settings."""

    policy: Policy
    may_be_empty: Collection[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifies the content of a file: with another size, time or inode it is another file."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, descriptor: int, size: int) -> "Identity":
        found = os.fstat(descriptor)
        return cls(size, found.st_mtime_ns, found.st_ino)


def inspect_file(
    descriptor: int,
    size: int | None,
    declaration: Declaration,
    rules: Rules,
    *,
    formats: Sequence[Format] = FORMATS,
    saw: Saw | None = None,
) -> Verdict:
    """Inspect a whole file. *size* None reads a pipe, which can be read only once.

    With *saw* every byte is read; without it only what the inspectors want, with the same verdict.

    Raises:
        OSError: If it cannot be read to its end.
    """
    examination = Examination(formats, size=size)
    seen = 0
    for block in (
        blocks(descriptor, size) if saw is not None or size is None else _wanted(examination, descriptor, size)
    ):
        examination.feed(block)
        if saw is not None:
            saw(seen, block)
        seen += len(block)
    examination.close(None if size is None else lambda offset, length: os.pread(descriptor, length, offset))
    return verdict(examination.findings, declaration, rules.policy, size=seen, may_be_empty=rules.may_be_empty)


def size_of(descriptor: int) -> int | None:
    """Return the size of a file or device, with its position at the start; None for a pipe.

    Raises:
        OSError: If it is a directory.
    """
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError:
        return None
    os.pread(descriptor, 0, 0)  # seeking works on a directory, reading does not
    return size


def blocks(descriptor: int, size: int | None) -> Iterator[bytes]:
    """Yield the bytes. Holes are not read."""
    at = 0
    while True:
        hole = hole_at(descriptor, at, size)
        while hole:
            block = HOLE[: min(len(HOLE), hole)]  # the whole of it is not copied
            yield block
            at += len(block)
            hole -= len(block)
        block = _read(descriptor, at, size)
        if not block:
            return
        yield block
        at += len(block)


def _wanted(examination: Examination, descriptor: int, size: int) -> Iterator[bytes]:
    """Yield as many bytes as the file has: its own where an inspector waits for them or may step back to them."""
    at = 0
    while at < size:
        ahead = min(examination.indifferent_for, size - at)
        block = HOLE if ahead >= len(HOLE) + KEPT else _read(descriptor, at, size)
        if not block:
            return
        yield block
        at += len(block)


def hole_at(descriptor: int, at: int, size: int | None) -> int:
    """Return how many bytes from *at* on are a hole, in whole blocks."""
    if size is None or at >= size:
        return 0
    return (next_data(descriptor, at, size) - at) // BLOCK * BLOCK


def _read(descriptor: int, at: int, size: int | None) -> bytes:
    if size is not None:
        return os.pread(descriptor, min(BLOCK, max(0, size - at)), at)
    pieces, missing = [], BLOCK
    while missing and (piece := os.read(descriptor, missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
