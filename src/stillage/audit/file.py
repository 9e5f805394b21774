"""Writes audit events to a file, one JSON object per line. Safe with several processes and with logrotate."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from stillage.audit.trail import Dropped, Event
from stillage.errors import BadSettings

log = structlog.get_logger()


class AuditFile:
    """Implements `audit.trail.Sink`. A line is in the file before its request is answered."""

    def __init__(self, path: Path, *, dropped: Dropped) -> None:
        """Open the file, or create it for its owner only.

        Raises:
            BadSettings: If it cannot be written.
        """
        self._path = path
        self._dropped = dropped
        self._torn = False
        try:
            self._descriptor = _open(path)
        except OSError as error:
            raise BadSettings(f"cannot write audit_file {path}: {error.strerror}") from error
        self._thread = ThreadPoolExecutor(1, "audit")

    async def write(self, event: Event) -> None:
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        await asyncio.get_running_loop().run_in_executor(self._thread, self._append, line)

    async def close(self) -> None:
        self._thread.shutdown()
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        try:
            self._follow()
            # In one call, so that lines of several processes do not interleave.
            written = os.write(self._descriptor, b"\n" + line if self._torn else line)
            self._torn = written < len(line)
            if self._torn:
                raise OSError(0, "short write")  # noqa: TRY301 - the next line has to know of it
        except OSError as error:
            self._dropped(1)
            log.error("could not write an event to the audit file", path=str(self._path), why=error.strerror)

    def _follow(self) -> None:
        """Open the file again if it was moved away."""
        mine = os.fstat(self._descriptor)
        try:
            there = self._path.stat()
            if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
                return
        except FileNotFoundError:
            pass
        new = _open(self._path)
        os.close(self._descriptor)
        self._descriptor = new
        self._torn = False


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
