from hypothesis import given
from hypothesis import strategies as st

from stillage.client.local import HOLE
from stillage.client.pieces import LARGEST, SMALLEST, Piece, ZeroMap, piece_size, plan
from stillage.spans import Span

SIZE = 300
places = st.integers(0, SIZE)
spans = st.builds(lambda a, b: Span(min(a, b), max(a, b)), places, places)
lists = st.lists(spans, max_size=12)


def places_of(*found: Span) -> set[int]:
    return {place for span in found for place in range(*span)}


@given(received=lists, zeros=lists, size=st.integers(1, SIZE))
def test_pieces_cover_exactly_what_is_missing_once_and_in_order(
    received: list[Span], zeros: list[Span], size: int
) -> None:
    pieces = plan(Span(0, SIZE), received, zeros, size)
    covered = [place for piece in pieces for place in range(*piece.span)]
    assert covered == sorted(places_of(Span(0, SIZE)) - places_of(*received))
    assert all(piece.length <= size for piece in pieces if not piece.zeros)
    assert places_of(*(piece.span for piece in pieces if piece.zeros)) <= places_of(*zeros)
    assert not places_of(*(piece.span for piece in pieces if not piece.zeros)) & places_of(*zeros)


@given(received=lists, wanted=spans)
def test_a_part_is_planned_like_the_whole(received: list[Span], wanted: Span) -> None:
    found = places_of(*(piece.span for piece in plan(wanted, received, (), 7)))
    assert found == places_of(wanted) - places_of(*received)


@given(missing=st.integers(1, 1 << 44), connections=st.integers(1, 64))
def test_pieces_are_neither_tiny_nor_huge_and_keep_every_connection_busy(missing: int, connections: int) -> None:
    size = piece_size(missing, connections)
    assert SMALLEST <= size <= LARGEST
    if missing >= 4 * connections * SMALLEST:
        assert -(-missing // size) >= 4 * connections - connections


@given(size=st.integers(1, 1 << 34), connections=st.integers(1, 16))
def test_pieces_become_smaller_towards_the_end_until_the_last_ones_are_small(size: int, connections: int) -> None:
    pieces = plan(Span(0, size), (), (), LARGEST, connections=connections)
    lengths = [piece.length for piece in pieces]
    assert sum(lengths) == size
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths[-connections:]) <= 2 * SMALLEST or len(lengths) == 1
    assert all(piece.span.first % SMALLEST == 0 for piece in pieces)


def test_a_zero_piece_is_never_cut() -> None:
    assert plan(Span(0, 100), (), [Span(10, 90)], 5)[2] == Piece(Span(10, 90), zeros=True)


def test_runs_of_zeros_are_noted_and_short_ones_are_not() -> None:
    mib = 1 << 20
    zeros = ZeroMap(100 * mib)
    for start, block in ((0, b"x" * mib), (mib, HOLE), (17 * mib, bytes(mib)), (18 * mib, b"x"), (18 * mib + 1, b"\0")):
        zeros.saw(start, block)
    assert zeros.runs == [Span(mib, 18 * mib)]
