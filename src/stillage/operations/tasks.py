"""Show jobs as Glance shows them: as tasks, to administrators, and the tasks of an image to who may see it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from stillage.accounts.principal import Principal
from stillage.db import images as db_images
from stillage.db import jobs as db_jobs
from stillage.db import tasks as db
from stillage.db.jobs import Filter
from stillage.db.session import Database
from stillage.errors import InvalidInput, JobNotFound
from stillage.ids import JobId
from stillage.images.access import Access
from stillage.images.job import Job
from stillage.images.parameters import MAX_LIMIT
from stillage.images.task import TYPE_NAMES, TYPES, TaskQuery

RULE, PHRASE = "tasks_api_access", "see tasks"


class Tasks:
    def __init__(self, database: Database, *, access: Access, keep_s: float) -> None:
        """*keep_s*: how long a job is kept after its end."""
        self._database = database
        self._access = access
        self._keep = timedelta(seconds=keep_s)

    async def page(self, principal: Principal, query: TaskQuery) -> Sequence[Job]:
        """Return a page of all tasks.

        Raises:
            Forbidden: Unless *principal* is an administrator.
            InvalidInput: If the marker is no task.
        """
        self._access.require_role(principal, RULE, PHRASE)
        return await self._database.read(db.page, query)

    async def get(self, principal: Principal, task_id: JobId) -> Job:
        """Return a task.

        Raises:
            Forbidden: Unless *principal* is an administrator.
            JobNotFound: If there is none.
        """
        self._access.require_role(principal, RULE, PHRASE)
        job = await self._database.read(db_jobs.find, task_id)
        if job is None or job.kind not in TYPES:
            raise JobNotFound(task_id)
        return job

    async def of_image(self, principal: Principal, image_id: str) -> Sequence[Job]:
        """Return the latest tasks of an image, of those that the principal's project asked for; an admin sees all.

        Raises:
            ImageNotFound: If the image does not exist, or the principal may not see it.
        """
        seen = await self._database.look_up(db_images.find_seen, image_id, principal.project_id)
        image = self._access.require_visible(principal, seen, image_id)
        # What was asked for, such as a URL, is nobody else's business where the image is public.
        project = None if self._access.is_admin(principal) else principal.project_id
        those = Filter(project_id=project, kinds=tuple(TYPES), image_id=image.id)
        return await self._database.read(db_jobs.list_of, those, MAX_LIMIT)

    def refuse(self, principal: Principal, document: Mapping[str, Any]) -> None:
        """Say why no task is created from *document*: imports are asked for at their image.

        Raises:
            Forbidden: Unless *principal* is an administrator.
            InvalidInput: Always.
        """
        self._access.require_role(principal, RULE, "create tasks")
        for name in ("type", "input"):
            if name not in document:
                raise InvalidInput(f"a task needs {name!r}")
        if document["type"] not in TYPE_NAMES:
            raise InvalidInput(f"type must be one of {', '.join(TYPE_NAMES)}")
        raise InvalidInput("tasks are not created here; create an image, and POST to /v2/images/{image_id}/import")

    def expires_at(self, job: Job) -> datetime | None:
        """Return when *job* is forgotten; None until it has ended."""
        return None if job.ended_at is None else job.ended_at + self._keep
