"""Runs every inspector over the blocks of an upload or a file, in one pass.

A region that has gone by when it is asked for is read from the stored bytes after the stream has ended (the second
look); how much of that one inspector may do is bounded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stillage.formats.base import (
    LONGEST,
    MAX_REGION,
    MAX_TAIL,
    Facts,
    Format,
    Hazard,
    Inspection,
    MalformedImage,
    NotThisFormat,
    ReadAt,
    Region,
    Rule,
    Stream,
    Tail,
    Want,
)
from stillage.formats.printable import printable_facts, printable_hazard

SECOND_LOOK_BYTES = 64 << 20
SECOND_LOOK_READS = 200_000
MOST_HAZARDS = 64
"""Of one inspector: the first are the telling ones, and a hostile table must not fill the memory with sentences.

Of each rule the first one is kept in any case, or those of an allowed rule could crowd out one that is not allowed.
"""

TOO_SCATTERED = Rule(
    "structure.too-scattered",
    "The image's tables are so scattered that checking them would mean reading the image a second time.",
    "qemu-img convert -O FORMAT IN OUT",
)
BEYOND = Rule(
    "structure.beyond-any-file", "The image refers to bytes beyond the end of any possible file: its header is damaged."
)
RULES = (TOO_SCATTERED, BEYOND)


@dataclass(frozen=True, slots=True)
class Findings:
    """What all inspectors together have found so far.

    Attributes:
        matched: The facts of every format that recognised itself.
        hazards: Everything that was reported, in order.
        undecided: Formats that may still match.
        seen: Bytes that have passed.
        complete: True when the stream has ended and nothing more will be found.
        unread: True when parts could not be checked because the stream was not stored.
    """

    matched: tuple[Facts, ...]
    hazards: tuple[Hazard, ...]
    undecided: frozenset[str]
    seen: int
    complete: bool
    unread: bool = False


class Examination:
    """One pass of all inspectors over one stream. Feed it blocks in order, then close it.

    Pure and synchronous: whoever owns the thread calls it.

    Raises:
        ValueError: If *size* is more than `LONGEST`.
    """

    def __init__(self, formats: Sequence[Format], *, size: int | None = None) -> None:
        if size is not None and size > LONGEST:
            raise ValueError(f"a stream has at most {LONGEST} bytes, not {size}")
        self._stream = Stream(size)
        self._seen = 0
        self._tail = b""
        self._closed = False
        self._runners = [_Runner(module, self._stream) for module in formats]
        self._wanted_from = self._next_wanted()
        self._findings = self._collect()

    def feed(self, block: bytes) -> None:
        start, before, indifferent = self._seen, self._tail, self.is_indifferent_to(block)
        self._seen += len(block)
        self._tail = bytes(block[-MAX_TAIL:]) if len(block) >= MAX_TAIL else (before + block)[-MAX_TAIL:]
        if indifferent:
            return
        for runner in self._runners:
            runner.feed(block, start, before)
        self._wanted_from = self._next_wanted()

    def is_indifferent_to(self, block: bytes) -> bool:
        """True if no inspector waits for anything in *block*: to feed it takes no time, and finds nothing new."""
        return self._seen + len(block) <= self._wanted_from

    @property
    def indifferent_for(self) -> float:
        """How many bytes may pass before an inspector waits for one; infinity if only the end can tell more."""
        return max(0, self._wanted_from - self._seen)

    def close(self, read_at: ReadAt | None) -> None:
        """End the stream. With *read_at* None, what has gone by stays unread and the findings say so."""
        self._stream.size = self._seen
        for runner in self._runners:
            runner.close(self._tail, self._seen, read_at)
        self._closed = True
        self._findings = self._collect()

    @property
    def findings(self) -> Findings:
        """What is known now. The same object as before while nothing new was found, except `Findings.seen`."""
        if any([runner.take_news() for runner in self._runners]):
            self._findings = self._collect()
        return self._findings

    def _next_wanted(self) -> float:
        """Where the next byte is that an inspector waits for; infinity if only the end can tell more."""
        return min((runner.waits_for for runner in self._runners), default=math.inf)

    def _collect(self) -> Findings:
        return Findings(
            matched=tuple(r.facts for r in self._runners if r.facts is not None),
            hazards=tuple(h for r in self._runners for h in r.hazards),
            undecided=frozenset(r.format for r in self._runners if r.facts is None and r.want is not None),
            seen=self._seen,
            complete=self._closed,
            unread=any(r.unread for r in self._runners),
        )


class _Runner:
    """One inspector, what it waits for, and the part of it that has already come."""

    def __init__(self, module: Format, stream: Stream) -> None:
        self.format = module.FORMAT
        self.facts: Facts | None = None
        self.hazards: list[Hazard] = []
        self.want: Want | None = None
        self.unread = False
        self._news = True
        self._held = bytearray()
        self._behind = False
        self._inspection: Inspection = module.inspect(stream)
        self._resume(None)

    def take_news(self) -> bool:
        news, self._news = self._news, False
        return news

    @property
    def waits_for(self) -> float:
        """Where the next byte is that it waits for in the stream; infinity if only the end can tell it more."""
        want = self.want
        if not isinstance(want, Region) or self._behind:
            return math.inf
        return want.offset + len(self._held) if want.length else 0

    def feed(self, block: bytes, start: int, before: bytes) -> None:
        """Go on with *block*, which begins at *start* and comes directly after *before*."""
        end = start + len(block)
        while isinstance(want := self.want, Region) and not self._behind:
            if not want.length:
                self._resume(b"")
                continue
            at = want.offset + len(self._held)
            if at >= end:
                return
            missing = want.length - len(self._held)
            if at >= start:
                piece = block[at - start : at - start + missing]
            elif start - at <= len(before):
                # A step back is a short one as a rule, and must not depend on where the stream was cut.
                piece = before[at - start :][:missing] + block[: max(0, missing - (start - at))]
            else:
                self._behind = True
                return
            if len(piece) < missing:
                self._held += piece
                return
            self._resume(self._take(piece))

    def close(self, tail: bytes, size: int, read_at: ReadAt | None) -> None:
        bytes_left, reads_left = SECOND_LOOK_BYTES, SECOND_LOOK_READS
        while (want := self.want) is not None:
            if isinstance(want, Tail):
                self._resume(tail[max(0, len(tail) - want.length) :])
            elif self._held or not want.length or want.offset >= size:
                self._resume(self._take(b""))  # reaches beyond the end: what there is of it
            elif read_at is None:
                self.unread = True
                self._stop()
            elif want.length > bytes_left or not reads_left:
                looked = f"{SECOND_LOOK_BYTES >> 20} MiB or {SECOND_LOOK_READS} pieces"
                message = f"more than {looked} of tables lie behind what refers to them"
                self.hazards.append(Hazard(TOO_SCATTERED, want.offset, message, final=True))
                self._stop()
            else:
                bytes_left -= want.length
                reads_left -= 1
                self._resume(read_at(want.offset, want.length))

    def _take(self, piece: bytes) -> bytes:
        if not self._held:
            return bytes(piece)
        data = bytes(self._held + piece)
        self._held.clear()
        return data

    def _resume(self, data: bytes | None) -> None:
        """Hand over *data* (None to begin) and run to the next want, or to the end."""
        try:
            step = next(self._inspection) if data is None else self._inspection.send(data)
            while not isinstance(step, Region | Tail):
                self._news = True
                if isinstance(step, Facts):
                    self.facts = printable_facts(step)
                elif len(self.hazards) < MOST_HAZARDS or all(hazard.rule != step.rule for hazard in self.hazards):
                    self.hazards.append(printable_hazard(step))
                step = self._inspection.send(b"")
        except StopIteration:
            self._stop()
        except NotThisFormat:
            self._stop()
        except MalformedImage as malformed:
            self.hazards.append(printable_hazard(malformed.hazard))
            self._stop()
        else:
            self._wait_for(step)

    def _wait_for(self, want: Want) -> None:
        limit = MAX_REGION if isinstance(want, Region) else MAX_TAIL
        if not 0 <= want.length <= limit or (isinstance(want, Region) and want.offset < 0):
            raise AssertionError(f"{self.format} asks for {want}")
        if isinstance(want, Region) and want.offset + want.length > LONGEST:
            message = f"the {self.format} refers to byte {want.offset + want.length - 1}; no file has so many"
            self.hazards.append(Hazard(BEYOND, None, message))
            self._stop()
        else:
            self.want = want

    def _stop(self) -> None:
        self._news = True
        self.want = None
        self._held.clear()
