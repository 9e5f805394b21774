"""Under which names a store keeps the bytes of a resumable upload. Plain functions of a connection.

A name is recorded only for bytes that do not count yet, in the transaction that counts them. So bytes that count never
change, whatever a request whose bytes another one has taken over still stores.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from stillage.db.tables import upload_parts
from stillage.ids import UploadId
from stillage.images.upload import Kept
from stillage.spans import Span, gaps, intersection, merged, total


def within(connection: Connection, upload_id: UploadId, span: Span) -> list[Kept]:
    """Return what is kept of *span*, cut to it, in order."""
    rows = upload_parts.c
    before = select(upload_parts).where(rows.upload_id == upload_id, rows.first <= span.first)
    inside = select(upload_parts).where(rows.upload_id == upload_id, rows.first > span.first, rows.first < span.end)
    found = [*connection.execute(before.order_by(rows.first.desc()).limit(1))]
    found += connection.execute(inside.order_by(rows.first))
    cut = [(intersection(Span(row.first, row.end), span), row.name) for row in found]
    return [Kept(part, name) for part, name in cut if part.length > 0]


class CountedElsewhere(Exception):
    """Another request has counted bytes that this one has kept as well, in *spans* of *part*: are they the same?"""

    def __init__(self, part: Kept, spans: Sequence[Span]) -> None:
        super().__init__(part, spans)
        self.part = part
        self.spans = spans


def add(
    connection: Connection,
    upload_id: UploadId,
    kept: Sequence[Kept],
    span: Span,
    uncounted: Sequence[Span],
    compared: Sequence[Span] = (),
) -> None:
    """Record the names of those bytes of *span* that are *uncounted*; bytes kept again get their new name.

    Args:
        connection: In the transaction that counts *span*, and holds the upload's row.
        upload_id: Of the upload.
        kept: Everything that the request has kept of *span*, and perhaps more.
        span: What is counted now.
        uncounted: What of it does not count yet, in order.
        compared: Spans in which the request has the bytes that another one has counted.

    Raises:
        CountedElsewhere: If another request has counted some of these bytes, which are not in *compared*.
    """
    added: list[tuple[Span, str]] = []
    replaced = {name for part in kept for name in part.replaces}
    for part in kept:
        if part.name in replaced:
            continue
        mine = intersection(part.span, span)
        new = [intersection(mine, gap) for gap in uncounted]
        if total(new) < mine.length:
            _require_own(connection, upload_id, part, mine, [*new, *compared])
        again = _forget(connection, upload_id, part) if part.replaces else []
        added += [(span, part.name) for span in merged([*new, *again])]
    if added:
        values = [{"upload_id": upload_id, "first": s.first, "end": s.end, "name": name} for s, name in added]
        connection.execute(insert(upload_parts), values)


def _require_own(connection: Connection, upload_id: UploadId, part: Kept, mine: Span, known: Sequence[Span]) -> None:
    names = {part.name, *part.replaces}
    own = [each.span for each in within(connection, upload_id, mine) if each.name in names]
    if foreign := gaps(merged([*known, *own]), mine):
        raise CountedElsewhere(part, foreign)


def _forget(connection: Connection, upload_id: UploadId, part: Kept) -> list[Span]:
    rows = upload_parts.c
    of_part = (rows.upload_id == upload_id) & (rows.first >= part.span.first) & (rows.first < part.span.end)
    old = delete(upload_parts).where(of_part, rows.name.in_(part.replaces)).returning(rows.first, rows.end)
    return [Span(row.first, row.end) for row in connection.execute(old)]
