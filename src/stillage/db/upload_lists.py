"""Lists of open resumable uploads. Plain functions of a connection, run by `Database.read`."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, and_, literal, not_, or_, select, tuple_

from stillage.db import images as db_images
from stillage.db import spans, uploads
from stillage.db.columns import UtcTime
from stillage.db.tables import images, upload_spans
from stillage.db.tables import uploads as table
from stillage.errors import InvalidInput
from stillage.ids import ProjectId, UploadId
from stillage.images.access import Seen
from stillage.images.status import Status
from stillage.images.upload import Ranges, Upload
from stillage.images.upload_query import UploadQuery, UploadStatus

Listed = tuple[Upload, Ranges]


def page(
    connection: Connection,
    query: UploadQuery,
    owner: ProjectId | None,
    project: ProjectId,
    most: int,
    is_shown: Callable[[Seen], bool],
) -> tuple[list[Listed], UploadId | None]:
    """Return a page of uploads, the newest first, and the marker for the next one.

    Args:
        connection: Reads one moment.
        query: Which uploads.
        owner: Of their images; None for all.
        project: Which sees the images.
        most: Ranges of each upload.
        is_shown: Says whether an upload to this image is shown. One that is not leaves the page shorter.

    Raises:
        InvalidInput: If the marker is no open upload.
    """
    statement = uploads.OPEN.where(*_conditions(connection, query, owner))
    order = (table.c.created_at.desc(), table.c.id.desc())
    found = [uploads.upload_of(row) for row in connection.execute(statement.order_by(*order).limit(query.limit))]
    listed = [
        (upload, spans.ranges(connection, upload.id, most))
        for upload in found
        if (seen := db_images.find_seen(connection, upload.image_id, project)) is not None and is_shown(seen)
    ]
    return listed, found[-1].id if found and len(found) == query.limit else None


def _conditions(connection: Connection, query: UploadQuery, owner: ProjectId | None) -> list[ColumnElement[bool]]:
    conditions = [] if owner is None else [images.c.owner == owner]
    if query.status is not None:
        conditions.append(STATUSES[query.status])
    if query.marker is not None:
        marker = uploads.find(connection, query.marker)
        if marker is None or owner not in (None, marker.project_id):
            raise InvalidInput(f"marker {query.marker[:36]!r} is no open upload; start again without marker")
        place = tuple_(literal(marker.created_at, UtcTime), literal(marker.id))
        conditions.append(tuple_(table.c.created_at, table.c.id) < place)
    return conditions


def _is_whole() -> ColumnElement[bool]:
    beginning = select(upload_spans.c.upload_id).where(
        upload_spans.c.upload_id == table.c.id, upload_spans.c.first == 0, upload_spans.c.end >= table.c.expected_size
    )
    return and_(table.c.expected_size.is_not(None), or_(table.c.expected_size == 0, beginning.exists()))


IS_STAGED = images.c.status == Status.UPLOADING
STATUSES = {
    UploadStatus.RECEIVING: not_(_is_whole()),
    UploadStatus.VERIFYING: and_(_is_whole(), not_(IS_STAGED)),
    UploadStatus.STAGED: and_(_is_whole(), IS_STAGED),
}
