"""Pieces of resumable uploads that are being received now. Plain functions of a connection.

A request goes on while its row exists: one that takes over its bytes deletes the row, and the older one notices.
"""

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from stillage.db import usage
from stillage.db.leases import Dead, LeaseOwner, is_of
from stillage.db.tables import upload_pieces, uploads
from stillage.ids import UploadId
from stillage.images.quota import Limits
from stillage.spans import Span

NO_LIMITS = Limits()


def begin(
    connection: Connection,
    piece_id: str,
    upload_id: UploadId,
    span: Span,
    owner: LeaseOwner,
    limits: Limits = NO_LIMITS,
) -> bool:
    """Record a request that sends *span*. Requests that were sending any of its bytes lose their row.

    False if the upload has ended.

    Raises:
        TooManyUploads: If this node has as many uploads as its limit allows.
    """
    # A shared lock: the upload must not end while a row that refers to it is inserted.
    open_upload = select(uploads.c.id).where(uploads.c.id == upload_id).with_for_update(read=True)
    if connection.execute(open_upload).first() is None:
        return False
    rows = upload_pieces.c
    overlapping = (rows.upload_id == upload_id) & (rows.first < span.end) & (rows.end > span.first)
    lost = _forget(connection, overlapping)
    usage.change_uploads_of_nodes(connection, ended=lost, begun=[owner], limits=limits)
    values = {"id": piece_id, "upload_id": upload_id, "first": span.first, "end": span.end, "lease_owner": owner}
    connection.execute(insert(upload_pieces).values(values))
    return True


def lives(connection: Connection, piece_id: str) -> bool:
    return connection.execute(select(upload_pieces.c.id).where(upload_pieces.c.id == piece_id)).first() is not None


def end(connection: Connection, piece_id: str) -> None:
    _end(connection, upload_pieces.c.id == piece_id)


def end_of_upload(connection: Connection, upload_id: UploadId) -> None:
    _end(connection, upload_pieces.c.upload_id == upload_id)


def forget_of_upload(connection: Connection, upload_id: UploadId) -> list[LeaseOwner]:
    """Drop the pieces of an upload that ends; return their owners, whose nodes still count them."""
    return _forget(connection, upload_pieces.c.upload_id == upload_id)


def end_of_dead(connection: Connection, dead: Dead) -> None:
    """Drop the pieces that *dead* was receiving."""
    _end(connection, is_of(dead, upload_pieces.c.lease_owner))


def _end(connection: Connection, those: ColumnElement[bool]) -> None:
    usage.change_uploads_of_nodes(connection, ended=_forget(connection, those))


def _forget(connection: Connection, those: ColumnElement[bool]) -> list[LeaseOwner]:
    ended = delete(upload_pieces).where(those).returning(upload_pieces.c.lease_owner)
    return list(connection.execute(ended).scalars())
