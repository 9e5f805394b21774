"""Keeps state between commands: unfinished uploads and downloads, and digests of files.

Everything lies in ``$XDG_STATE_HOME/stillage``, readable by its owner only: one file for each thing, replaced as a
whole. No passwords or tokens are stored, but the URLs of open uploads are: anybody who has one can resume that upload.

Source: XDG Base Directory Specification, "XDG_STATE_HOME".
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stillage.client.errors import UnusableFile

FORGOTTEN_AFTER_S = 90 * 86400
"""Entries not used for this long are removed."""


def folder(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/")) / ".local" / "state")
    return Path(base) / "stillage"


class Shelf:
    """All entries of one kind, such as ``uploads``.

    Raises:
        UnusableFile: If the folder cannot be written.
    """

    def __init__(self, state: Path, kind: str) -> None:
        self._folder = state / kind
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableFile(
                f"{self._folder} cannot be made: {error.strerror}; XDG_STATE_HOME names another"
            ) from error
        self._forget_old()

    def entry(self, *key: str) -> "Entry":
        """Return the entry of *key*, which may be empty."""
        name = hashlib.sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()[:40]
        return Entry(self._folder / f"{name}.json")

    def _forget_old(self) -> None:
        limit = time.time() - FORGOTTEN_AFTER_S
        for path in self._folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()


class Entry:
    """One kept document."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self, what: str) -> Iterator["Entry"]:
        """Lock this entry against other processes.

        Raises:
            UnusableFile: If another one has it. *what* says in the message what that one does.
        """
        lock = self._path.with_suffix(".lock")
        descriptor = _locked(lock)
        if descriptor is None:
            raise UnusableFile(f"another stillage command {what}; wait for it, or stop it")
        try:
            yield self
        finally:
            lock.unlink(missing_ok=True)
            os.close(descriptor)

    def read(self) -> dict[str, Any] | None:
        """Return the document; None if there is none, or it is not readable."""
        try:
            document = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def write(self, document: Mapping[str, Any]) -> None:
        """Replace the document with *document*.

        Raises:
            UnusableFile: If it cannot be written.
        """
        new = self._path.with_suffix(".new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(document).encode())
                file.flush()
                os.fsync(descriptor)
            new.replace(self._path)
        except OSError as error:
            raise UnusableFile(f"cannot write {self._path}: {error.strerror}") from error

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def _locked(path: Path) -> int | None:
    """Lock the file *path*, creating it if needed; None if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # Its previous holder removes it, and a lock on a removed file is worthless.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)
