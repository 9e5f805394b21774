"""Requests that are sending bytes of a resumable upload now. Plain functions of a connection.

The row is what a request lives by: whoever takes its bytes over removes the row, and its sender finds out.
"""

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from stillage.db import usage
from stillage.db.tables import upload_pieces, uploads
from stillage.ids import UploadId
from stillage.images.quota import Limits
from stillage.spans import Span

NO_LIMITS = Limits()


def begin(
    connection: Connection, piece_id: str, upload_id: UploadId, span: Span, owner: str, limits: Limits = NO_LIMITS
) -> bool:
    """Count a request that sends *span* from now on; those that were sending some of it have lost it.

    False if the upload has ended.

    Raises:
        TooManyUploads: If this node may not have another.
    """
    # Shared: the upload must not end while a row that names it is made.
    there = select(uploads.c.id).where(uploads.c.id == upload_id).with_for_update(read=True)
    if connection.execute(there).first() is None:
        return False
    rows = upload_pieces.c
    overlapping = (rows.upload_id == upload_id) & (rows.first < span.end) & (rows.end > span.first)
    lost = _forget(connection, overlapping)
    usage.change_uploads_of_nodes(connection, ended=lost, begun=[owner], limits=limits)
    values = {"id": piece_id, "upload_id": upload_id, "first": span.first, "end": span.end, "owner": owner}
    connection.execute(insert(upload_pieces).values(values))
    return True


def lives(connection: Connection, piece_id: str) -> bool:
    return connection.execute(select(upload_pieces.c.id).where(upload_pieces.c.id == piece_id)).first() is not None


def end(connection: Connection, piece_id: str) -> None:
    _end(connection, upload_pieces.c.id == piece_id)


def end_of_upload(connection: Connection, upload_id: UploadId) -> None:
    _end(connection, upload_pieces.c.upload_id == upload_id)


def forget_of_upload(connection: Connection, upload_id: UploadId) -> list[str]:
    """Drop what is sent of an upload that ends; return the senders, who are still to be counted off their nodes."""
    return _forget(connection, upload_pieces.c.upload_id == upload_id)


def end_of_owners(connection: Connection, owner_prefix: str) -> None:
    """Drop what processes were sending whose names begin with *owner_prefix*: they are dead."""
    _end(connection, upload_pieces.c.owner.startswith(owner_prefix, autoescape=True))


def _end(connection: Connection, those: Any) -> None:
    usage.change_uploads_of_nodes(connection, ended=_forget(connection, those))


def _forget(connection: Connection, those: Any) -> list[str]:
    return list(connection.execute(delete(upload_pieces).where(those).returning(upload_pieces.c.owner)).scalars())
