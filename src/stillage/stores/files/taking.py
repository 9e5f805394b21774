"""Make a file that another program wrote a blob without copying it: a clone that shares its blocks, or a second name.

The file keeps its own name. Source: ioctl_ficlone(2), link(2).
"""

import errno
import fcntl
import os
from pathlib import Path

from stillage.errors import CannotTakeFile
from stillage.stores.files.disk import make_folder, sync_directory, translated

CLONE = 0x40049409  # FICLONE: _IOW(0x94, 9, int)
NOT_ITS_OWNER = "the kernel lets only the owner of a file give it a second name"
WHY = {
    errno.EXDEV: "it is on another file system than the store, and nothing is copied",
    errno.EPERM: NOT_ITS_OWNER,
    errno.EACCES: NOT_ITS_OWNER,
    errno.EMLINK: "it has as many names as its file system allows",
    errno.EOPNOTSUPP: "its file system has neither clones nor second names",
}


def take(file: int, target: Path) -> None:
    """Make the bytes of *file*, an open descriptor, a blob called *target*, durably. There is none yet.

    Raises:
        CannotTakeFile: If the bytes would have to be copied.
        StorageFull, StoreReadOnly, StoreFailed: As they say.
    """
    new = target.with_name(f"{target.name}.part")
    try:
        make_folder(target.parent)
        new.unlink(missing_ok=True)
        if not _clone(file, new):
            _link(file, new)
        new.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        raise translated(error, "take over a file") from error


def _clone(file: int, new: Path) -> bool:
    """Make *new* a file of its own that shares the blocks of *file*. False if the file system cannot."""
    output = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.ioctl(output, CLONE, file)
    except OSError:
        new.unlink()
        return False
    else:
        os.fsync(output)
        return True
    finally:
        os.close(output)


def _link(file: int, new: Path) -> None:
    """Give *file* a second name, and make its bytes durable: whoever wrote it may not have."""
    os.fsync(file)
    # As in `blobs`: Python follows the symbolic link in /proc only with a folder.
    folder = os.open(new.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{file}", new, src_dir_fd=folder, follow_symlinks=True)
    except OSError as error:
        if (why := WHY.get(error.errno or 0)) is None:
            raise
        raise CannotTakeFile(why) from error
    finally:
        os.close(folder)
