"""Under which names a store keeps the bytes of a resumable upload. Plain functions of a connection.

A name is recorded only for bytes that do not count yet, in the transaction that counts them. So bytes that count never
change, whatever a request whose bytes another one has taken over still stores.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from stillage.db.tables import upload_parts
from stillage.ids import UploadId
from stillage.images.upload import Kept
from stillage.spans import Span, intersection, merged


def within(connection: Connection, upload_id: UploadId, span: Span) -> list[Kept]:
    """Return what is kept of *span*, cut to it, in order."""
    rows = upload_parts.c
    before = select(upload_parts).where(rows.upload_id == upload_id, rows.first <= span.first)
    inside = select(upload_parts).where(rows.upload_id == upload_id, rows.first > span.first, rows.first < span.end)
    found = [*connection.execute(before.order_by(rows.first.desc()).limit(1))]
    found += connection.execute(inside.order_by(rows.first))
    cut = [(intersection(Span(row.first, row.end), span), row.name) for row in found]
    return [Kept(part, name) for part, name in cut if part.length > 0]


def add(connection: Connection, upload_id: UploadId, kept: Sequence[Kept], uncounted: Sequence[Span]) -> None:
    """Record the names of those bytes that are *uncounted*; bytes that a store keeps again get their new name."""
    added: list[tuple[Span, str]] = []
    replaced = {name for part in kept for name in part.replaces}
    for part in kept:
        if part.name in replaced:
            continue
        new = [intersection(part.span, gap) for gap in uncounted]
        again = _forget(connection, upload_id, part) if part.replaces else []
        added += [(span, part.name) for span in merged([*new, *again])]
    if added:
        values = [{"upload_id": upload_id, "first": s.first, "end": s.end, "name": name} for s, name in added]
        connection.execute(insert(upload_parts), values)


def _forget(connection: Connection, upload_id: UploadId, part: Kept) -> list[Span]:
    rows = upload_parts.c
    of_part = (rows.upload_id == upload_id) & (rows.first >= part.span.first) & (rows.first < part.span.end)
    old = delete(upload_parts).where(of_part, rows.name.in_(part.replaces)).returning(rows.first, rows.end)
    return [Span(row.first, row.end) for row in connection.execute(old)]
