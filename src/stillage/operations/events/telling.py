"""Make events of changes, each with the rule by which a principal may know of it: that of the records themselves."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from stillage.accounts.principal import Principal
from stillage.db.events import Changes
from stillage.ids import ImageId, ProjectId
from stillage.images.access import Access, Seen
from stillage.images.event import RESET, Event, EventKind, ImageChange, change_of
from stillage.images.image import Image
from stillage.images.job import Job
from stillage.images.status import Status
from stillage.images.upload import Upload
from stillage.times import to_seconds

Members = Mapping[ImageId, frozenset[ProjectId]]


def events_of(changes: Changes, access: Access, statuses: Mapping[str, str], since: datetime) -> Iterator[Event]:
    """Yield the events of *changes*.

    Args:
        changes: As read.
        access: The deployment's rules.
        statuses: The status of images before, as far as it is known.
        since: Images that were created after this are new.
    """
    if changes.overflow:
        yield RESET
        return
    for image in changes.images:
        rule = _who_may(access, image, changes.members, "get_image")
        yield Event(EventKind.IMAGE, _image_document(image, statuses.get(image.id), since), rule)
    told = [(upload.image_id, _upload_document(upload, received)) for upload, received in changes.uploads]
    told += [(image_id, {"id": each, "image_id": image_id, "status": "ended"}) for each, image_id in changes.ended]
    for image_id, document in told:
        if (of_it := changes.images_of_uploads.get(image_id)) is not None:
            rule = _who_may(access, of_it, changes.members, "get_image", "upload_image")
            yield Event(EventKind.UPLOAD, document, rule)
    for job in changes.jobs:
        yield Event(EventKind.JOB, _job_document(job), _who_may_see(job, access))


def _who_may(access: Access, image: Image, members: Members, *actions: str) -> Callable[[Principal], bool]:
    shared_with = members.get(image.id, frozenset())

    def may(principal: Principal) -> bool:
        seen = Seen(image, principal.project_id in shared_with)
        return all(access.allows(principal, action, seen) for action in actions)

    return may


def _who_may_see(job: Job, access: Access) -> Callable[[Principal], bool]:
    return lambda principal: principal.project_id == job.project_id or access.is_admin(principal)


def _image_document(image: Image, before: str | None, since: datetime) -> Mapping[str, Any]:
    is_gone = image.status is Status.DELETED
    change = change_of(is_new=image.created_at > since and before is None, before=before, now=image.status)
    return {
        "id": image.id,
        "change": ImageChange.DELETED if is_gone else change,
        "status": image.status,
        "name": image.name,
        "owner": image.owner,
        "visibility": image.visibility,
        "size": image.size,
        "updated_at": to_seconds(image.updated_at),
    }


def _upload_document(upload: Upload, received: int) -> Mapping[str, Any]:
    return {
        "id": upload.id,
        "image_id": upload.image_id,
        "status": upload.status,
        "user_id": None if upload.rights is None else upload.rights.user_id,
        "size": upload.size,
        "offset": upload.offset,
        "received": received,
        "verified": upload.verified,
    }


def _job_document(job: Job) -> Mapping[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "image_id": job.image_id,
        "user_id": job.user_id,
        "state": job.state,
        "step": job.step,
        "progress": round(job.progress, 4),
        "message": job.failure.message if job.failure else None,
    }
