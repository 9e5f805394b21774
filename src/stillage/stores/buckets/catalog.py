"""Which buckets a project may use: those that the operator has bound to it, and the folders of its own.

The server's own rights would let every project read every bucket. So a bucket that is not bound to the project answers
as one that is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stillage.errors import BucketNotFound
from stillage.ids import ProjectId
from stillage.stores.buckets.base import Bucket
from stillage.stores.buckets.folder import FolderBucket
from stillage.stores.threads import Threads


@dataclass(frozen=True, slots=True)
class Bound:
    """A bucket of the settings, and who may use it."""

    name: str
    bucket: Bucket
    projects: frozenset[str]
    read: bool
    write: bool


class Buckets:
    """The buckets of a deployment. Close it."""

    def __init__(self, bound: Sequence[Bound], own: Path, threads: Threads) -> None:
        """*own*: has a folder for each project, and in that one for each bucket."""
        self._bound = tuple(bound)
        self._own = own
        self._threads = threads

    def of(self, project_id: ProjectId, name: str, *, write: bool = False) -> Bucket:
        """Return the bucket that *project_id* calls *name*.

        Raises:
            BucketNotFound: If it may not read it, or not *write* to it.
        """
        for bound in self._bound:
            if bound.name == name and project_id in bound.projects:
                if not (bound.write if write else bound.read):
                    raise BucketNotFound(name)
                return bound.bucket
        return FolderBucket(name, self._own, (project_id, name), self._threads)

    def close(self) -> None:
        self._threads.close()
