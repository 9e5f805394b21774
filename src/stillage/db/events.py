"""What has changed since a moment: images, uploads and jobs. Plain functions of a connection, run by `Database.read`.

Changes are found by the time that each row was changed at, of which there are indexes: nothing is written for them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from stillage.db import images as db_images
from stillage.db import uploads as db_uploads
from stillage.db.jobs import OPEN, job_of
from stillage.db.lifecycle import RESUMABLE
from stillage.db.tables import ANYBODYS, image_members, images, jobs, upload_spans, uploads
from stillage.ids import ImageId, ProjectId, UploadId
from stillage.images.image import Image
from stillage.images.job import Job
from stillage.images.upload import Upload

MOST = 1000
"""Changes of one kind that are told one by one; of more only that there are more."""
Stamp = tuple[Any, ...]
"""Differs whenever the row does."""
NOT_DELETED = images.c.deleted_at.is_(None)


@dataclass
class Known:
    """What one reader has seen already: of each kind the stamp of each row, by id."""

    images: dict[str, Stamp] = field(default_factory=dict)
    uploads: dict[str, Stamp] = field(default_factory=dict)
    jobs: dict[str, Stamp] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new to a reader.

    Attributes:
        images: As they are now; deleted ones as they were, without what belonged to them.
        members: The projects that each shared image is shared with.
        uploads: Open ones, with how many bytes were received.
        images_of_uploads: The images of uploads, also of those that have ended.
        ended: Uploads that have ended, with their images.
        overflow: There were more than can be told.
    """

    images: Sequence[Image] = ()
    members: Mapping[ImageId, frozenset[ProjectId]] = field(default_factory=dict)
    uploads: Sequence[tuple[Upload, int]] = ()
    images_of_uploads: Mapping[ImageId, Image] = field(default_factory=dict)
    ended: Sequence[tuple[UploadId, ImageId]] = ()
    jobs: Sequence[Job] = ()
    overflow: bool = False


def since(connection: Connection, moment: datetime, known: Known) -> tuple[Changes, Known]:
    """Return what changed after *moment* and is not *known*, and what is known then."""
    now = Known(_image_stamps(connection, moment), _upload_stamps(connection), _job_stamps(connection, moment))
    new = [_new(getattr(now, kind), getattr(known, kind)) for kind in ("images", "uploads", "jobs")]
    if any(len(ids) > MOST for ids in new):
        return Changes(overflow=True), now
    changed_images, changed_uploads, changed_jobs = new
    ended = [(UploadId(each), known.uploads[each][0]) for each in known.uploads.keys() - now.uploads.keys()]
    of_uploads = {now.uploads[each][0] for each in changed_uploads} | {image_id for _, image_id in ended}
    found = _images(connection, changed_images)
    return Changes(
        found,
        _members(connection, [*changed_images, *of_uploads]),
        _uploads(connection, changed_uploads),
        {image.id: image for image in _images(connection, of_uploads)},
        ended,
        _jobs(connection, changed_jobs),
    ), now


def _new(now: Mapping[str, Stamp], known: Mapping[str, Stamp]) -> list[str]:
    return [each for each, stamp in now.items() if known.get(each) != stamp]


def _image_stamps(connection: Connection, moment: datetime) -> dict[str, Stamp]:
    stamped = select(images.c.id, images.c.updated_at, images.c.version, images.c.status)
    there = stamped.where(NOT_DELETED, ANYBODYS, images.c.updated_at > moment).order_by(images.c.updated_at.desc())
    gone = stamped.where(images.c.deleted_at.is_not(None), images.c.deleted_at > moment)
    return {row[0]: tuple(row[1:]) for query in (there, gone) for row in connection.execute(query.limit(20 * MOST))}


def _upload_stamps(connection: Connection) -> dict[str, Stamp]:
    # Whatever is received prolongs the upload.
    stamped = select(uploads.c.id, uploads.c.image_id, uploads.c.lease_expires_at, uploads.c.verified)
    open_ones = stamped.where(RESUMABLE).order_by(uploads.c.lease_expires_at.desc()).limit(20 * MOST)
    return {row[0]: tuple(row[1:]) for row in connection.execute(open_ones)}


def _job_stamps(connection: Connection, moment: datetime) -> dict[str, Stamp]:
    stamped = select(jobs.c.id, jobs.c.updated_at, jobs.c.state, jobs.c.step, jobs.c.progress)
    moved = OPEN & (jobs.c.updated_at > moment)
    both = stamped.where(or_(moved, jobs.c.ended_at > moment)).limit(20 * MOST)
    return {row[0]: tuple(row[1:]) for row in connection.execute(both)}


def _images(connection: Connection, ids: Collection[str]) -> list[Image]:
    if not ids:
        return []
    rows = connection.execute(select(*db_images.COLUMNS).where(images.c.id.in_(ids)))
    return [db_images.image_of(row) for row in rows]


def _members(connection: Connection, ids: Collection[str]) -> Mapping[ImageId, frozenset[ProjectId]]:
    members: dict[ImageId, frozenset[ProjectId]] = {}
    if ids:
        shares = select(image_members.c.image_id, image_members.c.member_id).where(image_members.c.image_id.in_(ids))
        for image_id, member_id in connection.execute(shares):
            members[image_id] = members.get(image_id, frozenset()) | {ProjectId(member_id)}
    return members


def _uploads(connection: Connection, ids: Collection[str]) -> list[tuple[Upload, int]]:
    if not ids:
        return []
    length = func.sum(upload_spans.c.end - upload_spans.c.first)
    spans = select(upload_spans.c.upload_id, length).where(upload_spans.c.upload_id.in_(ids))
    received = {row[0]: int(row[1]) for row in connection.execute(spans.group_by(upload_spans.c.upload_id))}
    found = [db_uploads.upload_of(row) for row in connection.execute(db_uploads.OPEN.where(uploads.c.id.in_(ids)))]
    return [(upload, received.get(upload.id, 0)) for upload in found]


def _jobs(connection: Connection, ids: Collection[str]) -> list[Job]:
    return [job_of(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(ids)))] if ids else []
