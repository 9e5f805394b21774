"""A new file that has its name only when it is complete: whatever happens before, nothing is left of it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NO_UNNAMED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})


class NewFile:
    """A file beside *path*, not yet of that name.

    Attributes:
        descriptor: Open for reading and writing.
    """

    def __init__(self, path: Path, descriptor: int, part: Path | None) -> None:
        self.descriptor = descriptor
        self._path = path
        self._part = part

    @classmethod
    @contextmanager
    def beside(cls, path: Path) -> Iterator["NewFile"]:
        """Open one, without a name where the file system can do that.

        Raises:
            OSError: If the folder cannot be written to.
        """
        descriptor, part = _unnamed(path.parent), None
        if descriptor is None:
            part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield cls(path, descriptor, part)
        finally:
            os.close(descriptor)
            if part is not None:
                part.unlink(missing_ok=True)

    def publish(self, *, replace: bool) -> None:
        """Give it its name, once its bytes are on disk.

        Raises:
            FileExistsError: If there is a file of that name, and *replace* is False.
            OSError: If its bytes cannot be written.
        """
        os.fsync(self.descriptor)
        if not replace:
            self._link(self._path)
            return
        name = self._path.with_name(f".{self._path.name}.{os.urandom(4).hex()}.new")
        self._link(name)
        try:
            name.replace(self._path)
        except OSError:
            with suppress(OSError):
                name.unlink()
            raise

    def _link(self, path: Path) -> None:
        """Name it *path*, which must not exist."""
        if self._part is not None:
            os.link(self._part, path)
        else:
            # With a folder, which an absolute path makes meaningless, Python calls linkat: only that follows the link.
            os.link(f"/proc/self/fd/{self.descriptor}", path, src_dir_fd=self.descriptor, follow_symlinks=True)


def _unnamed(folder: Path) -> int | None:
    """Open a file that has no name, None where that cannot be."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        return os.open(folder, os.O_RDWR | flag | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in NO_UNNAMED and folder.is_dir():
            return None
        raise
