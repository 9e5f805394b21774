"""Share several images with several projects in one step, all or nothing; the job that tells of it has ended already.

Source: IMS API Reference, "Image Sharing"; the image API has `operations.members`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import uuid4

from stillage.accounts.principal import Principal
from stillage.db import Connection, images, jobs, members
from stillage.db.session import Database
from stillage.errors import NotFound, SharedWithItself
from stillage.ids import ImageId, JobId, ProjectId
from stillage.images.access import Access
from stillage.images.creation import require_count
from stillage.images.image import Image
from stillage.images.job import Job, JobKind, NewJob
from stillage.images.member import MemberStatus, SharingRules


class Shares:
    def __init__(
        self, database: Database, *, access: Access, rules: SharingRules, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._access = access
        self._rules = rules
        self._clock = clock

    async def add(
        self, principal: Principal, image_ids: Sequence[str], projects: Sequence[ProjectId], request_id: str
    ) -> Job:
        """Share every image with every project; where it is shared already, nothing changes.

        Raises:
            ImageNotFound, Forbidden: If the principal may not share one of them.
            NotShareable: If images of its visibility have no members.
            SharedWithItself: If one of *projects* is the principal's own.
            TooMany: If an image would have too many members.
        """
        if principal.project_id in projects:
            raise SharedWithItself

        def share(connection: Connection) -> Job:
            for image_id in image_ids:
                self._share(connection, self._own(connection, principal, "add_member", image_id), projects)
            return self._record(connection, principal, JobKind.MEMBERS_ADD, _results(image_ids, projects), request_id)

        return await self._database.write(share)

    async def answer(
        self, principal: Principal, image_ids: Sequence[str], status: MemberStatus, request_id: str
    ) -> Job:
        """Accept or reject images that are shared with the principal's project.

        Raises:
            ImageNotFound, NotFound: If one of them is not.
            Forbidden: If the principal may not answer.
        """
        project = principal.project_id

        def answer(connection: Connection) -> Job:
            for image_id in image_ids:
                seen = images.find_seen(connection, image_id, project)
                image = self._access.require_visible(principal, seen, image_id)
                if seen is None or not seen.is_member:
                    raise NotFound(f"image {image.id} is not shared with this project")
                self._access.require_allowed_member(principal, "modify_member", image, project)
                members.set_status(connection, image.id, project, status, self._clock())
            results = _results(image_ids, [project])
            return self._record(connection, principal, JobKind.MEMBERS_ANSWER, results, request_id)

        return await self._database.write(answer)

    async def remove(
        self, principal: Principal, image_ids: Sequence[str], projects: Sequence[ProjectId], request_id: str
    ) -> Job:
        """End the sharing of every image with every project.

        Raises:
            ImageNotFound, Forbidden: If the principal may not end it.
            NotFound: If an image is not shared with one of *projects*.
        """
        remove = members.remove_and_close if self._rules.shares_private else members.remove

        def end(connection: Connection) -> Job:
            for image_id in image_ids:
                image = self._own(connection, principal, "delete_member", image_id)
                for project in projects:
                    if not remove(connection, image.id, project):
                        raise NotFound(f"image {image.id} is not shared with {project[:255]!r}")
            return self._record(connection, principal, JobKind.MEMBERS_REMOVE, [], request_id)

        return await self._database.write(end)

    def _own(self, connection: Connection, principal: Principal, action: str, image_id: str) -> Image:
        seen = images.find_seen(connection, image_id, principal.project_id)
        return self._access.require(principal, action, seen, image_id)

    def _share(self, connection: Connection, image: Image, projects: Sequence[ProjectId]) -> None:
        self._rules.require_shareable(image.visibility)
        known = {member.member_id for member in members.list_of(connection, image.id)}
        require_count("members", len(known | set(projects)), self._rules.max_members)
        add = members.add_and_open if self._rules.shares_private else members.add
        for project in projects:
            if project not in known:
                add(connection, image, project, self._clock())

    def _record(
        self,
        connection: Connection,
        principal: Principal,
        kind: JobKind,
        results: Sequence[dict[str, str]],
        request_id: str,
    ) -> Job:
        new = NewJob(JobId(str(uuid4())), kind, principal.project_id, principal.user_id, request_id=request_id)
        return jobs.record_done(connection, new, {"results": list(results)}, self._clock())


def _results(image_ids: Sequence[str], projects: Sequence[ProjectId]) -> list[dict[str, str]]:
    return [
        {"image_id": ImageId(image_id), "project_id": project, "status": "success"}
        for image_id in image_ids
        for project in projects
    ]
