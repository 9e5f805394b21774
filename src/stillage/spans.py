"""Spans: the bytes from one offset to another, and what is missing between them."""

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """The bytes from *first* up to and without *end*."""

    first: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.first


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same bytes in ascending order, in as few spans as possible, none of them empty."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.length > 0):
        if result and span.first <= result[-1].end:
            result[-1] = Span(result[-1].first, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def gaps(spans: Iterable[Span], within: Span) -> tuple[Span, ...]:
    """Return what of *within* is in none of *spans*, which ascend and do not overlap."""
    missing: list[Span] = []
    at = within.first
    for span in spans:
        if span.end <= at:
            continue
        if span.first >= within.end:
            break
        if span.first > at:
            missing.append(Span(at, span.first))
        at = span.end
    if at < within.end:
        missing.append(Span(at, within.end))
    return tuple(missing)


def intersection(one: Span, other: Span) -> Span:
    """Return the bytes that are in both; an empty span if none are."""
    first = max(one.first, other.first)
    return Span(first, max(first, min(one.end, other.end)))


def total(spans: Iterable[Span]) -> int:
    """Return how many bytes *spans* are, counting what overlaps for each of them."""
    return sum(span.length for span in spans)
