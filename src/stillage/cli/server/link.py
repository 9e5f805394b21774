"""Ties a worker to its parent: the worker dies with it, and receives what the parent holds only once it is tied.

A worker takes seconds to load its code. If the parent is killed in the meantime nobody notices, so until it is tied
the worker holds neither the sockets nor the lock of the folder.
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
    """What a worker needs to serve. *lock* stays open for as long as the worker lives."""

    lock: int
    sockets: Sequence[socket.socket]
    metrics_sockets: Sequence[socket.socket]


def tie_to_parent() -> bool:
    """Arrange for this process to be killed when its parent ends. False if the parent has ended already.

    The kernel does this whatever the process is doing, even while it is stopped. Where the kernel cannot, a
    thread does.
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
    """In the worker: return what the parent hands over; None if the parent is gone."""
    link.sendall(ASKS)
    numbers, descriptors, _, _ = socket.recv_fds(link, 2, MOST_DESCRIPTORS)
    if not numbers:
        return None
    lock, *rest = descriptors
    made = [socket.socket(fileno=descriptor) for descriptor in rest]
    return Held(lock, made[: numbers[0]], made[numbers[0] :])


def hand_over(link: socket.socket, held: Held) -> None:
    """In the parent: answer `ask`."""
    everything = [held.lock, *(sock.fileno() for sock in (*held.sockets, *held.metrics_sockets))]
    socket.send_fds(link, [bytes([len(held.sockets)])], everything)


def say_that_it_serves(link: socket.socket) -> None:
    link.sendall(SERVES)


def heard(link: socket.socket) -> bytes:
    """In the parent: return what the worker sent; nothing if it has ended."""
    try:
        return link.recv(1)
    except OSError:
        return b""
