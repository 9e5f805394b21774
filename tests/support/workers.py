"""Kills a worker of a server that has several, and waits until its parent has noticed or has started another."""

import os
import signal
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from running import TIMEOUT_S
from server import Server, eventually

DIED = "a worker died; restarting it"
LISTENS = "0A"
"""As a state in /proc/net/tcp."""


def worker_with_upload(server: Server) -> int:
    """The worker that has a file of the blob folder open."""

    def ask() -> int | None:
        return next((pid for pid in server.workers if server.open_blobs(pid)), None)

    pid = eventually(ask, "a worker receives an upload")
    assert pid
    return pid


def kill_worker(server: Server, pid: int) -> None:
    """Kill it, and return when its parent has closed its socket.

    Until then the socket takes connections, and whoever is among them is reset.
    """
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: any((event["event"], event.get("pid")) == (DIED, pid) for event in server.events), DIED)


def await_event(server: Server, event: str, known: int) -> None:
    """Wait until the log says *event*, after its first *known* events."""
    eventually(lambda: any(event in each["event"] for each in server.events[known:]), event)


def await_listening(server: Server, workers: int) -> None:
    """Wait until so many workers are there, and each listens on a socket of its own."""
    port = f":{server.address[1]:04X}"

    def listening() -> int:
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return sum(fields[1].endswith(port) and fields[3] == LISTENS for fields in sockets)

    eventually(lambda: listening() == len(server.workers) == workers, f"{workers} workers serve")


def await_another(server: Server, killed: int, *, of: int = 2) -> None:
    """Wait until there are as many workers again, none of which is *killed*. The new one may not serve yet."""

    def are_complete() -> bool:
        workers = server.workers  # read once: a second look finds others
        return len(workers) == of and killed not in workers

    eventually(are_complete, f"there are {of} workers again")


def every_worker_answers(server: Server, *, within_s: float = TIMEOUT_S) -> bool:
    """False, almost certainly, if one of them does not: the kernel spreads connections."""
    try:
        for _ in range(12):
            with closing(HTTPConnection(*server.address, timeout=within_s)) as connection:
                connection.request("GET", "/healthz")
                assert connection.getresponse().status == 200
    except OSError:
        return False
    return True
