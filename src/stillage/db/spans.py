"""Which bytes of a resumable upload are durable. Plain functions of a connection.

Spans of one upload never meet, so those around a place tell all about it: what one piece costs does not depend on how
many there are. Only `ranges` looks at every one.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select

from stillage.db.tables import upload_spans
from stillage.errors import TooManySpans
from stillage.ids import UploadId
from stillage.images.upload import Ranges, Window
from stillage.spans import Span, gaps

MOST = 4096
"""Spans of one upload, when another piece begins."""
AT_THE_SAME_TIME = 64
"""Spans allowed beyond `MOST`, for pieces that began before it was reached."""
READ = 64
"""Rows read at a time."""


def require_place(connection: Connection, upload_id: UploadId, first: int) -> None:
    """Raise TooManySpans if a piece that starts at *first* would make one span too many.

    A piece at offset 0, or one that continues a span, is always accepted: clients that send in order are never refused.
    """
    if first == 0 or _count(connection, upload_id) < MOST or reached(connection, upload_id, first) is not None:
        return
    query = select(upload_spans.c.end).where(_of(upload_id)).order_by(upload_spans.c.first).limit(1)
    raise TooManySpans(MOST, connection.execute(query).scalar_one())


def reached(connection: Connection, upload_id: UploadId, first: int) -> int | None:
    """Return the end of the span that contains *first* or ends at it; None if no span does."""
    row = _last_before(connection, upload_id, first)
    return None if row is None or row.end < first else row.end


def window(connection: Connection, upload_id: UploadId, within: Span) -> Window:
    """Return the first spans in *within*, which is not empty, cut to it, and the offset up to which they are all."""
    row = _last_before(connection, upload_id, within.first)
    spans = [] if row is None or row.end <= within.first else [Span(within.first, min(row.end, within.end))]
    behind = _of(upload_id) & (upload_spans.c.first > within.first) & (upload_spans.c.first < within.end)
    rows = connection.execute(select(upload_spans).where(behind).order_by(upload_spans.c.first).limit(READ)).all()
    spans += [Span(row.first, min(row.end, within.end)) for row in rows]
    return Window(tuple(spans), within.end if len(rows) < READ else spans[-1].end)


def uncounted(connection: Connection, upload_id: UploadId, within: Span) -> list[Span]:
    """Return what of *within* does not count yet."""
    found: list[Span] = []
    at = within.first
    while at < within.end:
        part = window(connection, upload_id, Span(at, within.end))
        found += gaps(part.spans, Span(at, part.until))
        at = part.until
    return found


def missing(connection: Connection, upload_id: UploadId, within: Span) -> int:
    """Return how many bytes of *within* are missing."""
    first, end = upload_spans.c.first, upload_spans.c.end
    row = _last_before(connection, upload_id, within.first)
    begin = within.first if row is None else row.first
    meeting = _of(upload_id) & (first >= begin) & (first < within.end) & (end > within.first)
    cut = case((end > within.end, within.end), else_=end) - case((first < within.first, within.first), else_=first)
    present = connection.execute(select(func.coalesce(func.sum(cut), 0)).where(meeting)).scalar_one()
    return within.length - int(present)


def add(connection: Connection, upload_id: UploadId, span: Span) -> None:
    """Add *span*, merged with the spans that it touches. The transaction already holds the upload's row.

    Raises:
        TooManySpans: If too many pieces that touch no other are sent at the same time.
    """
    if not span.length:
        return
    before = _last_before(connection, upload_id, span.first)
    last = _last_before(connection, upload_id, span.end)
    first = span.first if before is None or before.end < span.first else before.first
    end = span.end if last is None else max(last.end, span.end)
    joined = _of(upload_id) & (upload_spans.c.first >= first) & (upload_spans.c.first <= span.end)
    if not connection.execute(delete(upload_spans).where(joined)).rowcount:
        count = _count(connection, upload_id)
        if count >= MOST + AT_THE_SAME_TIME:
            raise TooManySpans(MOST, reached(connection, upload_id, 0) or 0)
    connection.execute(insert(upload_spans).values(upload_id=upload_id, first=first, end=end))


def last_end(connection: Connection, upload_id: UploadId) -> int:
    """Return the end of the last span; 0 if there is none."""
    query = select(upload_spans.c.end).where(_of(upload_id)).order_by(upload_spans.c.first.desc()).limit(1)
    return connection.execute(query).scalar() or 0


def ranges(connection: Connection, upload_id: UploadId, most: int) -> Ranges:
    """Return the first *most* spans, and the number of bytes in all spans."""
    rows = connection.execute(
        select(upload_spans).where(_of(upload_id)).order_by(upload_spans.c.first).limit(most)
    ).all()
    total = func.coalesce(func.sum(upload_spans.c.end - upload_spans.c.first), 0)
    received = connection.execute(select(total).where(_of(upload_id))).scalar_one()
    return Ranges(tuple(Span(row.first, row.end) for row in rows), int(received))


def _last_before(connection: Connection, upload_id: UploadId, place: int) -> Row[Any] | None:
    """Return the last span that starts at or before *place*."""
    query = select(upload_spans).where(_of(upload_id), upload_spans.c.first <= place)
    return connection.execute(query.order_by(upload_spans.c.first.desc()).limit(1)).first()


def _count(connection: Connection, upload_id: UploadId) -> int:
    return connection.execute(select(func.count()).select_from(upload_spans).where(_of(upload_id))).scalar_one()


def _of(upload_id: UploadId) -> ColumnElement[bool]:
    return upload_spans.c.upload_id == upload_id
