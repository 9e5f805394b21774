"""One process that serves: alone, or one of several beside each other."""

import asyncio
import ctypes
import os
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Timer

import structlog
import uvloop

from stillage import app
from stillage.api.http.stopping import Stop
from stillage.cli import garbage
from stillage.config import Settings

log = structlog.get_logger()

# From the parent of several: another one serves. SIGHUP is for the parent alone.
RETIRE = signal.SIGUSR1
ALONE = "SIGHUP replaces workers while they serve, which takes --workers 2 or more; nothing was done"
# What a process gets, when all that it had begun is over, to put everything away.
HANGS_AFTER_S = 10.0
M_MMAP_THRESHOLD = -3
# Larger than a block of an image, which is wanted again at once; smaller than what hashing a password takes.
RETURNED_AT_ONCE = 4 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker needs to run, fit to be sent to another process."""

    settings: Settings
    node_id: str
    certificate: tuple[str, str] | None


def run_worker(
    plan: Plan,
    sockets: Sequence[socket.socket],
    metrics_sockets: Sequence[socket.socket],
    owner: str,
    ready: Callable[[], None],
    *,
    has_parent: bool = False,
) -> None:
    """Serve in this process until SIGTERM or SIGINT, or until its parent says that another one serves instead."""
    tls = None if plan.certificate is None else tls_of(plan.certificate)

    def settled() -> None:
        garbage.settle()
        ready()

    async def run() -> None:
        stop, loop = Stop(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.ask, plan.settings.shutdown_grace_s)
        if has_parent:
            loop.add_signal_handler(RETIRE, partial(stop.ask, plan.settings.restart_grace_s, replaced=True))
        else:
            loop.add_signal_handler(signal.SIGHUP, log.warning, ALONE)
        await app.serve(
            plan.settings,
            sockets,
            tls=tls,
            metrics_sockets=metrics_sockets,
            owner=owner,
            ready=settled,
            stop=stop,
            over=end_soon,
        )

    uvloop.run(run())


def end_soon() -> None:
    """Have this process end within a moment, whose work is done: if need be the hard way.

    A thread in a dead disk, or one that waits for a silent database, cannot be ended and would be waited for. What it
    leaves behind is what a kill leaves: a sweep finds it.
    """

    def give_up() -> None:
        log.error("the disk or the database hangs; the process ends without waiting for it")
        os._exit(0)

    hanging = Timer(HANGS_AFTER_S, give_up)
    hanging.daemon = True
    hanging.start()


def tls_of(certificate: tuple[str, str]) -> ssl.SSLContext:
    """Return what serves with a chain and its key, which are read now."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.set_alpn_protocols(["http/1.1"])
    tls.load_cert_chain(*certificate, password="")  # asking for one would wait at a terminal that nobody sees
    return tls


def return_large_memory() -> None:
    """Let the kernel have large pieces of memory back as soon as they are free.

    By itself glibc learns from the first of them to keep such pieces, 20 MiB for every thread that hashed a password.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, RETURNED_AT_ONCE)
