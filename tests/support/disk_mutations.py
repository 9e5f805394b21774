"""Changes to a disk image as small values, so that a test that fails prints what was done and not the image."""

import struct
from array import array
from dataclasses import dataclass

from fuzz.repairing import repaired
from hypothesis import strategies as st

from disk_seeds import KINDS, MAGICS, TEXTS, Kind, seeds
from samples import load

LARGEST = 12 << 20  # bytes of an image after all changes
TEXT_ENDS = 4096
TABLES_END = 256 << 10
LINE_FEED = ord("\n")

SMALL = (0, 1, 2, 3, 4, 7, 16, 0x7F, 0xFF, 511, 512, 513, 1000, 4096, 65535, 65536, 1 << 20, (1 << 20) + 1)
NUMBERS = (*SMALL, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1)
PLACES = (0, 4, 64, 512, 513, 1024, 2048, 4096, 32768, 65536, -1, -8, -511, -512, -513, -1024)
AMOUNTS = (1, -1, 512, -512, 65536, 1 << 56, 1 << 63)
LENGTHS = (1, 7, 8, 64, 511, 512, 513, 1024, 4096, 65536)


@dataclass(frozen=True)
class Put:
    """Bytes in place of others."""

    at: int
    data: bytes

    def apply(self, image: bytearray) -> None:
        start = min(len(image), self.at if self.at >= 0 else max(0, len(image) + self.at))
        image[start : start + len(self.data)] = self.data


@dataclass(frozen=True)
class PutTwice:
    """Bytes in the copy of a VHD's footer at the start and in the footer itself, which must agree."""

    at: int
    data: bytes

    def apply(self, image: bytearray) -> None:
        for at in (self.at, self.at - 512):
            Put(at, self.data).apply(image)


@dataclass(frozen=True)
class Add:
    """Another number in place of the one at the *word*-th 8 bytes that are not all zero: a table's entry, as a rule."""

    word: int
    big: bool
    amount: int

    def apply(self, image: bytearray) -> None:
        words = _used_words(bytes(image[:TABLES_END]))
        if not words:
            return
        at = words[self.word % len(words)]
        word = struct.Struct(">Q" if self.big else "<Q")
        word.pack_into(image, at, (word.unpack_from(image, at)[0] + self.amount) % (1 << 64))


@dataclass(frozen=True)
class Line:
    """Text behind the *number*-th line of the image, in place of zeros, so that what follows them stays in place."""

    number: int
    data: bytes

    def apply(self, image: bytearray) -> None:
        ends = [at + 1 for at in range(min(len(image), TEXT_ENDS)) if image[at] == LINE_FEED] or [0]
        at = ends[self.number % len(ends)]
        zeros = image.find(bytes(len(self.data)), at)
        if zeros >= 0:
            del image[zeros : zeros + len(self.data)]
        image[at:at] = self.data


@dataclass(frozen=True)
class Cut:
    """Bytes missing from the end."""

    length: int

    def apply(self, image: bytearray) -> None:
        del image[max(0, len(image) - self.length) :]


@dataclass(frozen=True)
class Grow:
    """Bytes more at the end."""

    length: int
    filler: int = 0

    def apply(self, image: bytearray) -> None:
        image += bytes([self.filler]) * self.length


@dataclass(frozen=True)
class Other:
    """The first *length* bytes of an image of another kind, or of its end, laid over the image."""

    kind: str
    at: int
    length: int

    def apply(self, image: bytearray) -> None:
        piece = seeds(KINDS[self.kind])[0]
        Put(self.at, piece[: self.length] if self.at >= 0 else piece[-self.length :]).apply(image)


@dataclass(frozen=True)
class Footer:
    """The footer of a fixed VHD behind the image, or over its end."""

    over: bool

    def apply(self, image: bytearray) -> None:
        if self.over:
            del image[max(0, len(image) - 512) :]
        image += load("vhd-fixed.vhd")[-512:]


Change = Put | PutTwice | Add | Line | Cut | Grow | Other | Footer


@dataclass(frozen=True)
class Mutant:
    """An image of a kind and what was done to it. With *sealed*, checksums are right again."""

    seed: int
    changes: tuple[Change, ...]
    sealed: bool

    def build(self, kind: Kind) -> bytes:
        made = seeds(kind)
        image = bytearray(made[self.seed % len(made)])
        for change in self.changes:
            change.apply(image)
        data = bytes(image[:LARGEST])
        return repaired(data) if self.sealed else data


def _used_words(image: bytes) -> list[int]:
    words = array("Q", image[: len(image) // 8 * 8])
    return [8 * number for number, word in enumerate(words) if word]


def _numbers(hot: tuple[tuple[int, int], ...]) -> st.SearchStrategy[Put]:
    places = st.sampled_from(hot).flatmap(lambda part: st.integers(part[0], part[1] - 1)).map(lambda at: at & ~1)
    return st.builds(_number, places, st.sampled_from((1, 2, 4, 8)), st.booleans(), st.sampled_from(NUMBERS))


def _number(at: int, width: int, big: bool, value: int) -> Put:
    place = at - at % width if at >= 0 else at
    return Put(place, (value % (1 << 8 * width)).to_bytes(width, "big" if big else "little"))


def mutants(kind: Kind) -> st.SearchStrategy[Mutant]:
    """Images of *kind* with one to four changes."""
    places = st.sampled_from(PLACES) | st.sampled_from(kind.hot).flatmap(lambda p: st.integers(p[0], p[1] - 1))
    changes: list[st.SearchStrategy[Change]] = [
        _numbers(kind.hot),
        st.builds(Put, places, st.binary(min_size=1, max_size=2)),
        st.builds(Put, places, st.sampled_from(TEXTS)),
        st.builds(Put, st.sampled_from(PLACES), st.sampled_from(MAGICS)),
        st.builds(Line, st.integers(0, 20), st.sampled_from(TEXTS)),
        st.builds(Add, st.integers(0, 200), st.booleans(), st.sampled_from(AMOUNTS)),
        st.builds(Cut, st.sampled_from(LENGTHS)),
        st.builds(Grow, st.sampled_from(LENGTHS), st.sampled_from((0, 0xFF))),
        st.builds(Other, st.sampled_from(sorted(KINDS)), st.sampled_from((0, 512, -512)), st.sampled_from(LENGTHS)),
        st.builds(Footer, st.booleans()),
    ]
    for at, options in kind.words:
        # Once for each place: what means something is worth more tries than what does not.
        changes.append(st.builds(Put, st.just(at), st.sampled_from(options)))
    for at, options in kind.copied_words:
        changes += [st.builds(PutTwice, st.just(at), st.sampled_from(options))] * 3
    if kind.lines:
        changes += [st.builds(Line, st.integers(1, 20), st.sampled_from(kind.lines))] * 3
    several = st.lists(st.one_of(changes), min_size=1, max_size=4).map(tuple)
    return st.builds(Mutant, st.integers(0, 11), several, st.sampled_from((True, True, True, False)))
