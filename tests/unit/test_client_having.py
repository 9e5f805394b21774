"""Which pieces a client asks the server for."""

from stillage.client.having import FIRST_LIST, NEXT_LISTS, lists_of
from stillage.formats.piece_digests import PIECE
from stillage.spans import Span


def test_the_first_list_is_short_and_all_together_are_the_file() -> None:
    lists = list(lists_of(200 * PIECE + 1, []))
    assert [len(each) for each in lists] == [FIRST_LIST, NEXT_LISTS, NEXT_LISTS, 201 - FIRST_LIST - 2 * NEXT_LISTS]
    assert [number for each in lists for number in each] == list(range(201))


def test_what_is_there_or_zeros_is_not_asked_for_where_it_is_much() -> None:
    needless = [Span(0, 50 * PIECE + 1), Span(51 * PIECE, 52 * PIECE), Span(300 * PIECE, 400 * PIECE)]
    assert list(lists_of(400 * PIECE, needless)) == [
        range(48, 64), range(64, 128), range(128, 192), range(192, 256), range(256, 320),
    ]  # fmt: skip
    assert list(lists_of(PIECE, [Span(0, PIECE)])) == []
