"""The folder of a Glance's filesystem store, read where it is: a file has the name that Glance gave it, the image's id.

Nothing is ever written to it or removed from it: its store is read-only. Source: glance_store, "filesystem" driver.
"""

import os
from pathlib import Path

from stillage.ids import BlobKey
from stillage.stores.abilities import OldBlobs
from stillage.stores.files.blobs import FileStore
from stillage.stores.files.disk import translated

NONE_OLD = OldBlobs(frozenset(), frozenset())


class GlanceFolder(FileStore):
    """A folder of files without folders in it. It exists."""

    def _make_root(self) -> None:
        """It is Glance's."""

    async def find_old(self, shard: int, older_than_s: float) -> OldBlobs:  # noqa: ARG002
        return NONE_OLD  # a file that no row names is Glance's

    async def check(self) -> None:
        try:
            await self._threads.soon(os.listdir, self.root)
        except OSError as error:
            raise translated(error, "read the folder of Glance") from error

    def _path(self, key: BlobKey) -> Path:
        return self.root / key
