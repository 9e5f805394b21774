"""Runs inspectors over bytes, cut in any way. A `read_at` over the same bytes is the second look."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from stillage.formats.base import Format
from stillage.formats.registry import FORMATS
from stillage.formats.stream import Examination, Findings


def examine(
    data: bytes, *, cuts: Iterable[int] = (), formats: Sequence[Format] = FORMATS, size: int | None = None
) -> Findings:
    """Return what *formats* find in *data*, fed in pieces that end at *cuts*."""
    examination = Examination(formats, size=size)
    edges = [0, *sorted(c for c in cuts if 0 < c < len(data)), len(data)]
    for start, end in pairwise(edges):
        if end > start:
            examination.feed(data[start:end])
    examination.close(lambda offset, length: data[offset : offset + length])
    return examination.findings
