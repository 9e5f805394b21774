"""Copy stored files durably: by a hard link where both places are in one file system, else their bytes.

A file has its own name only when it is whole and verified. Until then it is called ``NAME.new``, so what an
interrupted copy left is told from what it finished.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillage.holes import DataRuns, write_data
from stillage.stores.files.disk import make_folder, sync_directory, translated

BLOCK = 1 << 20
OTHER_PLACE = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
"""The file system links no files, or not these two places."""


class Held:
    """A file whose bytes stay readable although its name may be removed: a link to it, or its open descriptor."""

    def __init__(self, source: Path, new: Path) -> None:
        """Hold *source*, for a copy called *new*.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        self._new = new
        self._descriptor = -1
        new.unlink(missing_ok=True)
        try:
            os.link(source, new, follow_symlinks=False)
        except OSError as error:
            if error.errno not in OTHER_PLACE:
                raise
            self._descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)

    def complete(self) -> None:
        """Make the copy whole and durable, still under its new name."""
        if self._descriptor < 0:
            return  # the bytes of a link are durable since they were published
        try:
            _copy_bytes(self._descriptor, self._new)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1


def copy_file(source: Path, target: Path) -> None:
    """Copy *source* to *target*, which it replaces, durably but for its name: sync its folder.

    Raises:
        FileNotFoundError: If there is no *source*.
    """
    new = new_name(target)
    Held(source, new).complete()
    new.replace(target)


def copy_private(source: Path, target: Path) -> None:
    """Copy the bytes of a small file that may change later; a link would change with it. For its owner only."""
    new = new_name(target)
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _copy_bytes(descriptor, new)
    finally:
        os.close(descriptor)
    new.replace(target)
    sync_directory(target.parent)


def copy_tree(source: Path, target: Path) -> None:
    """Copy the files below *source* that *target* does not have. What is removed meanwhile is left out."""
    for folder, _, names in os.walk(source):
        into = target / Path(folder).relative_to(source)
        make_folder(into)
        for name in names:
            try:
                if not (into / name).exists():
                    copy_file(Path(folder, name), into / name)
            except FileNotFoundError:
                continue
        sync_directory(into)


def new_name(target: Path) -> Path:
    return target.with_name(f"{target.name}.new")


def replace_durably(file: Path) -> None:
    """Give the file called `new_name` the name *file*, durably."""
    new = new_name(file)
    descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(file)
    sync_directory(file.parent)


def difference(path: Path, size: int, algorithm: str, digest: str) -> str | None:
    """Return how the bytes of *path* differ from what they should be; None if they do not. Reads all of them."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            return f"{found} bytes are there, {size} were stored"
        value = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    return None if value == digest else f"their {algorithm} is {value}, and was {digest}"


@contextmanager
def disk_trouble(what: str) -> Iterator[None]:
    """Raise our error for what the disk reports while one tries to *what*."""
    try:
        yield
    except OSError as error:
        raise translated(error, what) from error


def _copy_bytes(descriptor: int, new: Path) -> None:
    """Write the bytes of an open file to *new*, with its holes."""
    size = os.fstat(descriptor).st_size
    output = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(output, size)
        for begin, end in DataRuns(descriptor, size).within(0, size):
            for at in range(begin, end, BLOCK):
                write_data(output, os.pread(descriptor, min(BLOCK, end - at), at), at)
        os.fsync(output)
    finally:
        os.close(output)
