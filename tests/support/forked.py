"""Starts `stillage` without importing it anew each time: a second of CPU time less. For tests that start hundreds.

A process that has imported everything forks when it is told to, and each child is a `stillage` of its own.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Lock
from typing import NoReturn

from stillage.cli.main import run

LARGEST = 1 << 20
IMPORTED = ("stillage.app", "stillage.cli.server.serve", "stillage.stores.s3.blobs")


class Forked:
    """A child, with what tests use of `subprocess.Popen`. Its exit code is not known: when it has ended it is 0."""

    def __init__(self, pid: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.stdout = os.fdopen(stdout)
        self.stderr = os.fdopen(stderr)
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("stillage", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def _ended(self, timeout: float) -> int | None:
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return 0 if poll.poll(timeout * 1000) else None


class Forks:
    """*connection*: to the process that forks."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._asking = Lock()

    def __call__(self, line: Sequence[str], environment: Mapping[str, str]) -> Forked:
        """Run `stillage` with the words of *line* but for the first."""
        (read_out, write_out), (read_err, write_err) = os.pipe(), os.pipe()
        asked = json.dumps({"words": list(line), "environment": dict(environment)}).encode()
        with self._asking:
            socket.send_fds(self._connection, [asked], [write_out, write_err])
            pid = int(self._connection.recv(LARGEST))
        os.close(write_out)
        os.close(write_err)
        return Forked(pid, read_out, read_err)


@contextmanager
def forks(script: str = __file__) -> Iterator[Forks]:
    """*script*: what forks, if it is to be another `stillage`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        forking = subprocess.Popen([sys.executable, script], stdin=theirs.fileno())
        theirs.close()
        yield Forks(ours)
        ours.close()
        forking.wait()


def serve(connection: socket.socket) -> None:
    """Fork for each message, and answer with the child's number, until nobody is there."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        asked, descriptors, _, _ = socket.recv_fds(connection, LARGEST, 2)
        if not asked:
            return
        if (pid := os.fork()) == 0:
            connection.close()
            become(json.loads(asked), *descriptors)
        connection.send(str(pid).encode())
        for each in descriptors:
            os.close(each)


def become(asked: Mapping[str, object], stdout: int, stderr: int) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.argv = list(asked["words"])  # type: ignore[call-overload]
    try:
        run()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    for name in IMPORTED:
        import_module(name)
    serve(socket.socket(fileno=os.dup(0)))
