"""``python hindered.py FOLDER serve …``: `stillage`, but it stops at the moment of an upload that a test chose.

The moment's name stands in ``FOLDER/stop``. There the server makes ``FOLDER/reached``, and it goes on when ``stop`` is
removed. So a test can kill it exactly there, or make its disk as slow as it likes. While there is ``FOLDER/named``, the
file system seems to have no nameless files. Everything else is the real server; `hindered_server.Hindered` is the side
of the test.
"""

import errno
import os
import sys
import time
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from stillage.cli import main
from stillage.cli.server import worker
from stillage.db import job_parts, lifecycle, writing
from stillage.db.writing import Unit
from stillage.operations.upload.verification import Verification
from stillage.stores.buckets.folder_writer import FolderWriter
from stillage.stores.files import blobs

FOLDER = Path()


def stop_at(moment: str) -> None:
    try:
        if (FOLDER / "stop").read_text() != moment:
            return
    except FileNotFoundError:
        return
    (FOLDER / "reached").touch()
    while (FOLDER / "stop").exists():
        time.sleep(0.01)


def before(owner: Any, name: str, moment: str) -> None:
    """Stop before every call of *name*."""
    real = getattr(owner, name)

    @wraps(real)
    def hindered(*args: Any, **kwargs: Any) -> Any:
        stop_at(moment)
        return real(*args, **kwargs)

    setattr(owner, name, hindered)


def after(owner: Any, name: str, moment: str) -> None:
    """Stop after every call of *name*."""
    real = getattr(owner, name)

    @wraps(real)
    def hindered(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        stop_at(moment)
        return result

    setattr(owner, name, hindered)


def after_commit(unit: str, moment: str) -> None:
    """Stop when the transaction of the unit of work *unit* is done, before anybody learns of it."""
    real = writing.answer

    def hindered(units: Sequence[Unit]) -> None:
        if any(done.work.__name__ == unit for done in units):
            stop_at(moment)
        real(units)

    writing.answer = hindered


def without_nameless_files() -> None:
    """As on a file system that has none: ``*.part`` files are used."""
    real = os.open

    def hindered(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE and (FOLDER / "named").exists():
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(path, flags, *args, **kwargs)

    os.open = hindered


def hinder() -> None:
    after(lifecycle, "claim", "in the claim's transaction")
    after_commit("claim", "when the image is claimed")
    before(blobs._FileWriter, "_write", "before the first block is written")
    after(blobs._FileWriter, "_write", "after the first block is written")
    before(Verification, "_conclude", "before the verdict")
    after(Verification, "_conclude", "after the verdict")
    before(blobs._FileWriter, "_publish", "before the bytes are durable")
    before(blobs._FileWriter, "_link", "when the bytes have no name yet")
    after(blobs._FileWriter, "_link", "when the bytes have their name")
    before(lifecycle, "publish", "before the image is active")
    after(lifecycle, "publish", "in the last transaction")
    after_commit("publish", "when the image is active")
    before(lifecycle, "release", "before the clean-up")
    after_commit("release", "in the middle of the clean-up")
    before(blobs, "_delete", "before the bytes are removed")
    after_commit("end_of_dead", "when pieces of a dead worker have ended")
    after_commit("forget_results", "in a sweep")
    after(FolderWriter, "_commit", "when the exported object is there")
    after(job_parts, "note_ready", "in the transaction of a part that is ready")
    after(job_parts, "finish", "in the transaction that ends the parts")
    worker.HANGS_AFTER_S = 1.0  # a hang is ours, and known to be one
    without_nameless_files()


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    hinder()
    sys.argv = ["stillage", *sys.argv[2:]]
    main.run()
