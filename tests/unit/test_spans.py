from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stillage.spans import Span, gaps, merged, total

SIZE = 300
places = st.integers(0, SIZE)
spans = st.builds(lambda a, b: Span(min(a, b), max(a, b)), places, places)
lists = st.lists(spans, max_size=12)


def places_of(*found: Span) -> set[int]:
    return {place for span in found for place in range(*span)}


@given(given_spans=lists)
def test_merging_keeps_every_byte_and_leaves_gaps_between(given_spans: list[Span]) -> None:
    found = merged(given_spans)
    assert places_of(*found) == places_of(*given_spans)
    assert all(before.end < after.first for before, after in pairwise(found))
    assert total(found) == len(places_of(*given_spans))


@given(given_spans=lists, within=spans)
def test_gaps_are_what_no_span_has(given_spans: list[Span], within: Span) -> None:
    found = gaps(merged(given_spans), within)
    assert places_of(*found) == places_of(within) - places_of(*given_spans)
    assert all(gap.length > 0 for gap in found)
