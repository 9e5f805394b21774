"""What ties a worker to its parent: it dies with it, and gets what the parent holds only when it is tied.

A worker takes seconds to load its code. If the parent is killed meanwhile nobody notices, so until the worker is tied
it holds nothing: neither the sockets nor the folder's lock.
"""

import ctypes
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread

PR_SET_PDEATHSIG = 1
ASKS, SERVES = b"?", b"!"
MOST_DESCRIPTORS = 64


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker serves with. *lock* is kept open as long as it lives."""

    lock: int
    sockets: Sequence[socket.socket]
    metrics_sockets: Sequence[socket.socket]


def tie_to_parent() -> bool:
    """Have this process killed as soon as its parent is gone. False if that has happened already.

    The kernel does it, whatever the process is busy with, and also while it is stopped. A thread does it where the
    kernel cannot.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = parent_process()
    if parent is None or os.getppid() != parent.pid:
        return False  # it ended before the line above
    Thread(target=_end_after, args=(parent.sentinel,), name="parent", daemon=True).start()
    return True


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def ask(link: socket.socket) -> Held | None:
    """In the worker: return what the parent hands over; None if it is gone."""
    link.sendall(ASKS)
    numbers, descriptors, _, _ = socket.recv_fds(link, 2, MOST_DESCRIPTORS)
    if not numbers:
        return None
    lock, *rest = descriptors
    made = [socket.socket(fileno=descriptor) for descriptor in rest]
    return Held(lock, made[: numbers[0]], made[numbers[0] :])


def hand_over(link: socket.socket, held: Held) -> None:
    """In the parent: the answer to `ask`."""
    everything = [held.lock, *(sock.fileno() for sock in (*held.sockets, *held.metrics_sockets))]
    socket.send_fds(link, [bytes([len(held.sockets)])], everything)


def say_that_it_serves(link: socket.socket) -> None:
    link.sendall(SERVES)


def heard(link: socket.socket) -> bytes:
    """In the parent: what the worker says, nothing if it has ended."""
    try:
        return link.recv(1)
    except OSError:
        return b""
