"""Digests of pieces: they do not depend on how the bytes are cut, and find what two files have in common."""

import hashlib
import random
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from stillage.formats.piece_digests import (
    FIRST,
    GROUP,
    LENGTH,
    MOST_KEPT,
    PIECE,
    UNKNOWN,
    PieceHasher,
    PieceList,
    Run,
    first_unknown,
    overlaid,
    runs_in_common,
    zero_digest,
)
from stillage.spans import Span

MIB = 1 << 20


@cache
def disk() -> bytes:
    return bytes(PIECE) + bytes(MIB + 5) + b"data after zeros" + bytes(PIECE - MIB - 21) + b"x" * MIB + bytes(2 * MIB)


def packed(*names: int) -> bytes:
    """Digests of made-up pieces, one for each name."""
    return b"".join(hashlib.sha256(bytes([name])).digest() for name in names)


def files(*names: int, tail: int = 0) -> PieceList:
    return PieceList(0, packed(*names), len(names) * PIECE - tail)


def test_each_digest_is_the_sha256_of_its_piece_however_the_bytes_come() -> None:
    expected = b"".join(hashlib.sha256(disk()[at : at + PIECE]).digest() for at in range(0, len(disk()), PIECE))
    for block in (MIB, 3 * MIB + 1, len(disk())):
        hasher = PieceHasher()
        for at in range(0, len(disk()), block):
            hasher.feed(disk()[at : at + block])
        assert hasher.packed() == expected


def test_what_follows_the_most_pieces_is_ignored() -> None:
    hasher = PieceHasher(2)
    hasher.feed(disk())
    hasher.feed(disk())
    assert hasher.packed() == b"".join(hashlib.sha256(disk()[at : at + PIECE]).digest() for at in (0, PIECE))


def test_a_digest_that_stands_for_an_unknown_one_is_like_no_other() -> None:
    partial = PieceList(0, packed(1) + UNKNOWN + packed(2), 3 * PIECE)
    assert runs_in_common(partial, partial) == [Run(Span(0, PIECE), 0), Run(Span(2 * PIECE, 3 * PIECE), 2 * PIECE)]


def test_an_empty_file_has_no_pieces() -> None:
    assert PieceHasher().packed() == b""


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.lists(st.integers(0, 6), max_size=9), st.integers(0, 3))
def test_what_two_files_have_in_common_is_every_piece_that_both_have(one: list[int], other: list[int], at: int) -> None:
    at = min(at, len(one) - 1)
    wanted = PieceList(at, packed(*one[at:]), len(one) * PIECE)
    found = {
        first: run.at + first - run.span.first
        for run in runs_in_common(wanted, files(*other))
        for first in range(run.span.first, run.span.end, PIECE)
    }
    assert set(found) == {number * PIECE for number in range(at, len(one)) if one[number] in other}
    assert all(other[place // PIECE] == one[first // PIECE] for first, place in found.items())


def test_neighbours_that_are_neighbours_in_the_other_file_are_one_run() -> None:
    assert runs_in_common(files(1, 1, 2, 9, 3), files(1, 1, 2, 3)) == [
        Run(Span(0, 3 * PIECE), 0),
        Run(Span(4 * PIECE, 5 * PIECE), 3 * PIECE),
    ]


def test_a_short_last_piece_is_no_whole_one() -> None:
    assert runs_in_common(files(1, 2), files(2, tail=5)) == []
    assert runs_in_common(files(1, 2, tail=5), files(2, tail=5)) == [Run(Span(PIECE, 2 * PIECE - 5), 0)]


def test_samples_are_few_and_any_part_of_a_similar_file_has_some_of_them() -> None:
    digests = [random.Random(number).randbytes(32) for number in range(16 * GROUP)]
    known = set(PieceList(0, b"".join(digests), len(digests) * PIECE).samples())
    assert len(known) <= FIRST + 16
    for number in range(0, len(digests), 10):
        digests[number] = random.Random(-number).randbytes(32)
    for first in range(len(digests) - 4 * GROUP):
        part = PieceList(first, b"".join(digests[first:][: 4 * GROUP]), len(digests) * PIECE)
        assert known & set(part.samples())


def test_zeros_are_no_sample() -> None:
    assert PieceList(0, zero_digest(PIECE) * 3 + zero_digest(7), 3 * PIECE + 7).samples() == []


@given(
    st.lists(st.booleans(), max_size=9), st.lists(st.booleans(), min_size=1, max_size=9), st.integers(0, 5), st.data()
)
def test_digests_that_are_known_stay_and_the_others_come_later(
    before: list[bool], more: list[bool], first: int, data: st.DataObject
) -> None:
    def some(known: list[bool], at: int) -> bytes:
        return b"".join(packed(at + number) if has else UNKNOWN for number, has in enumerate(known))

    both = overlaid(some(before, 0), first, some(more, first))
    known = {*(n for n, has in enumerate(before) if has), *(first + n for n, has in enumerate(more) if has)}
    found = [both[at : at + LENGTH] for at in range(0, len(both), LENGTH)]
    assert {number for number, digest in enumerate(found) if digest != UNKNOWN} == known
    assert all(found[number] == packed(number) for number in known)
    count, most = data.draw(st.integers(0, 16)), data.draw(st.integers(1, 4))
    missing = [number for number in range(count) if number not in known]
    numbers = first_unknown(both, count * PIECE, most)
    assert list(numbers) == missing[: len(numbers)]
    assert len(numbers) == most or numbers.stop not in missing
    assert bool(numbers) == bool(missing)


def test_of_a_very_large_file_the_digests_of_its_first_part_are_made() -> None:
    assert first_unknown(bytes((MOST_KEPT - 1) * LENGTH), 2 * MOST_KEPT * PIECE, MOST_KEPT + 5) == range(MOST_KEPT)
    assert not first_unknown(packed(1) * MOST_KEPT, 2 * MOST_KEPT * PIECE, 1)


def test_of_a_list_only_the_pieces_of_some_spans() -> None:
    of_file = PieceList(3, packed(1, 2, 3), 5 * PIECE + 9)
    assert of_file.only([Span(3 * PIECE, 4 * PIECE), of_file.span_of(2)]) == packed(1) + UNKNOWN + packed(3)
    assert of_file.only([]) == 3 * UNKNOWN
