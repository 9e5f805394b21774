"""``python hindered.py MOMENT FOLDER serve …``: `stillage`, but it stops at a moment of an upload that a test chose.

At that moment it makes ``FOLDER/reached`` and goes on when there is a ``FOLDER/go``. So a test can kill it exactly
there, or make its disk as slow as it likes. Everything else is the real server.
"""

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stillage.cli import main
from stillage.db import images as db
from stillage.operations import ingest
from stillage.operations.pipeline import Pipeline
from stillage.stores import files

FOLDER = Path()


def stop_here() -> None:
    (FOLDER / "reached").touch()
    while not (FOLDER / "go").exists():
        time.sleep(0.01)


def before(owner: Any, name: str) -> None:
    """Stop before every call of *name*."""
    real = getattr(owner, name)

    def hindered(*args: Any, **kwargs: Any) -> Any:
        stop_here()
        return real(*args, **kwargs)

    setattr(owner, name, hindered)


def after(owner: Any, name: str) -> None:
    """Stop after every call of *name*."""
    real = getattr(owner, name)

    def hindered(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        stop_here()
        return result

    setattr(owner, name, hindered)


def after_commit(unit: str) -> None:
    """Stop when the transaction of the unit of work *unit* is done, before anybody learns of it."""
    real = ingest.Database._write

    def hindered(self: Any, work: Callable[..., Any], *args: Any) -> Any:
        result = real(self, work, *args)
        if work.__name__ == unit:
            stop_here()
        return result

    ingest.Database._write = hindered  # type: ignore[method-assign]


def without_nameless_files() -> None:
    """As on a file system that has none: ``*.part`` files are used."""
    real = os.open

    def hindered(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(path, flags, *args, **kwargs)

    os.open = hindered


MOMENTS: dict[str, Callable[[], None]] = {
    "never": lambda: None,
    "in the claim's transaction": lambda: after(db, "claim"),
    "when the image is claimed": lambda: after_commit("claim"),
    "before the first block is written": lambda: before(files._FileWriter, "_write"),
    "after the first block is written": lambda: after(files._FileWriter, "_write"),
    "before the verdict": lambda: before(Pipeline, "_conclude"),
    "after the verdict": lambda: after(Pipeline, "_conclude"),
    "before the bytes are durable": lambda: before(files._FileWriter, "_publish"),
    "when the bytes have no name yet": lambda: before(files._FileWriter, "_link"),
    "when the bytes have their name": lambda: after(files._FileWriter, "_link"),
    "before the image is active": lambda: before(db, "publish"),
    "in the last transaction": lambda: after(db, "publish"),
    "when the image is active": lambda: after_commit("publish"),
    "before the clean-up": lambda: before(db, "release"),
    "in the middle of the clean-up": lambda: after_commit("release"),
    "before the bytes are removed": lambda: before(files, "_delete"),
}


if __name__ == "__main__":
    moments, folder, *arguments = sys.argv[1:]
    FOLDER = Path(folder)
    for moment in moments.split(", "):
        if moment == "without nameless files":
            without_nameless_files()
        else:
            MOMENTS[moment]()
    sys.argv = ["stillage", *arguments]
    main.run()
