"""Records which processes use a data folder, and takes the folder over from a server that was killed.

The server and each of its workers lock ``DIR/lock``, so it is free exactly when all of them are gone.
``DIR/processes`` lists them by process id and start time: ids are reused, but the pair is unique until a reboot.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from stillage.errors import BadSettings

log = structlog.get_logger()

WAIT_S = 5.0
"""How long to wait at start for the workers of a server that was killed."""
KILL_AFTER_S = 1.0
"""How long they get to end by themselves. The kernel has killed them already, unless they had only just started."""
DYING_S = 1.0
"""How long a server that was killed may take to end before the folder counts as in use."""
POLL_S = 0.02
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TIME = 19  # in /proc/PID/stat, counted from the state, which follows the name
GONE = frozenset("ZXx")  # a zombie holds nothing


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process of this machine since it was booted.

    Attributes:
        started: In clock ticks since then.
    """

    pid: int
    started: int

    @property
    def lives(self) -> bool:
        return identify(self.pid) == self

    def kill(self) -> None:
        """Send SIGKILL to exactly this process: its id may belong to another one by now."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (OSError, AttributeError):  # it is gone, or the kernel is too old to tell
            return
        try:
            if self.lives:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except OSError:  # it has just ended, or belongs to another user
            return
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Record:
    """The content of ``DIR/processes``; empty if that was written before the machine was booted."""

    server: ProcessId | None = None
    workers: tuple[ProcessId, ...] = field(default=())

    @property
    def server_lives(self) -> bool:
        return self.server is not None and self.server.lives

    @property
    def orphans(self) -> list[ProcessId]:
        """Workers that outlived their server."""
        return [] if self.server_lives else [worker for worker in self.workers if worker.lives]


def identify(pid: int) -> ProcessId | None:
    """Return the process that has *pid* now; None if there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in GONE else ProcessId(pid, int(fields[START_TIME]))
    except (OSError, IndexError, ValueError):
        return None


def read(folder: Path) -> Record:
    try:
        document = json.loads((folder / "processes").read_text())
        if document["boot_id"] != _boot_id():
            return Record()
        server, *workers = (ProcessId(int(pid), int(started)) for pid, started in document["processes"])
        return Record(server, tuple(workers))
    except (OSError, ValueError, KeyError, TypeError):
        return Record()


def write(folder: Path, workers: Iterable[int]) -> None:
    """Record this process as the server, and *workers* by their process ids.

    If the disk cannot take it the server goes on: the next start after a kill still finds the lock.
    """
    known = [known for pid in (os.getpid(), *workers) if (known := identify(pid)) is not None]
    document = {"boot_id": _boot_id(), "processes": [[process.pid, process.started] for process in known]}
    new = folder / ".processes.new"
    try:
        # Not synced: after a power cut there are no processes.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
        new.replace(folder / "processes")
    except OSError as error:
        log.warning("could not record the processes of this server", folder=str(folder), why=error.strerror)


def take(folder: Path) -> int:
    """Lock *folder* for this process and those that inherit the descriptor; return the descriptor.

    Workers of a server that was killed may remain. Wait for them, and kill those that do not end.

    Raises:
        BadSettings: If another server uses it, or it cannot be written to.
    """
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:  # for instance because another user started a server here once
        raise BadSettings(f"cannot open {path}: {error.strerror}") from error
    try:
        _wait_for(folder, descriptor)
        write(folder, ())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _wait_for(folder: Path, descriptor: int) -> None:
    """Return when the lock is ours and no process of an earlier server remains."""
    begun, told, killed = time.monotonic(), False, False
    while True:
        waited_s = time.monotonic() - begun
        orphans = read(folder).orphans  # read before trying the lock: whatever dies from here on still held it
        ours = _lock(descriptor)
        if ours:  # so no server runs, even if the record still lists one that is about to end
            orphans = [worker for worker in read(folder).workers if worker.lives]
        if ours and (not orphans or waited_s > WAIT_S):
            return
        if not ours and not orphans and waited_s > DYING_S:
            raise BadSettings(f"another server is using {folder}; stop it, or choose another --data")
        if waited_s > WAIT_S:
            raise BadSettings(
                f"processes of an earlier server are still using {folder} and do not end: {_listed(orphans)}; "
                "find out what they are waiting for, for instance a hanging disk, and start again"
            )
        if orphans and not told:
            told = True
            log.warning("waiting for the workers of an earlier server to end", pids=_pids(orphans))
        if orphans and waited_s > KILL_AFTER_S and not killed:
            killed = True
            log.warning("killing the workers of an earlier server, which do not end", pids=_pids(orphans))
            for orphan in orphans:
                orphan.kill()
        time.sleep(POLL_S)


def _lock(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _pids(processes: Sequence[ProcessId]) -> list[int]:
    return [process.pid for process in processes]


def _listed(processes: Sequence[ProcessId]) -> str:
    return ", ".join(str(process.pid) for process in processes)


def _boot_id() -> str:
    with suppress(OSError):
        return BOOT_ID.read_text().strip()
    return ""
