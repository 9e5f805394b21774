"""Runs one server process, alone or as one of several workers."""

import asyncio
import ctypes
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Timer

import structlog
import uvloop

from stillage import app, telemetry
from stillage.api.http.stopping import Stop
from stillage.cli import garbage
from stillage.config import Settings
from stillage.db.leases import LeaseOwner, NodeId

log = structlog.get_logger()

# Sent by the parent when another worker serves instead. SIGHUP is for the parent only.
RETIRE = signal.SIGUSR1
HURRY = signal.SIGUSR2
"""Sent by the parent when nobody wants to wait for requests any more."""
ALONE = "settings were not read again: replacing workers while they serve needs --workers 2 or more"
# How long a process may take to clean up after its last request.
HANGS_AFTER_S = 10.0
M_MMAP_THRESHOLD = -3
# Larger than a block of an image, which is reused at once; smaller than the memory for hashing a password.
RETURNED_AT_ONCE = 4 << 20


Serve = Callable[..., Awaitable[None]]
"""Serves, as `app.serve` does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker needs to run; can be sent to another process."""

    settings: Settings
    node_id: NodeId
    certificate: tuple[str, str] | None


def run_worker(
    plan: Plan,
    sockets: Sequence[socket.socket],
    metrics_sockets: Sequence[socket.socket],
    owner: LeaseOwner,
    ready: Callable[[], None],
    *,
    has_parent: bool = False,
    serve: Serve = app.serve,
) -> None:
    """Serve in this process until SIGTERM or SIGINT, or until the parent says that another worker serves instead."""
    tls = None if plan.certificate is None else tls_of(plan.certificate)

    def settled() -> None:
        garbage.settle()
        return_free_memory()
        ready()

    async def run() -> None:
        stop, loop = Stop(), asyncio.get_running_loop()
        grace_s = plan.settings.shutdown_grace_s
        loop.add_signal_handler(signal.SIGTERM, stop.ask, grace_s)
        # Ctrl-C at a terminal reaches a worker twice, once through its parent, which sends HURRY for a second one.
        loop.add_signal_handler(signal.SIGINT, stop.ask if has_parent else stop.interrupt, grace_s)
        loop.add_signal_handler(HURRY, stop.ask, 0)
        if has_parent:
            loop.add_signal_handler(RETIRE, partial(stop.ask, plan.settings.restart_grace_s, replaced=True))
        else:
            loop.add_signal_handler(signal.SIGHUP, hang_up, tls, plan.certificate)
        await serve(
            plan.settings,
            sockets,
            tls=tls,
            metrics_sockets=metrics_sockets,
            owner=owner,
            ready=settled,
            stop=stop,
            over=end_soon,
        )

    with telemetry.sent(os.environ):
        uvloop.run(run())


def hang_up(tls: ssl.SSLContext | None, certificate: tuple[str, str] | None) -> None:
    """Let new connections have the certificate that is in its files now. What cannot be used changes nothing."""
    log.warning(ALONE)
    if tls is None or certificate is None:
        return
    try:
        renewed = tls_of(certificate)
    except OSError as error:  # SSLError is a subclass
        log.error("cannot use the new certificate; the old one stays", why=error.strerror or str(error))
        return

    def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = renewed

    tls.sni_callback = choose  # called for each client, also for one that names no server
    log.info("the certificate was read again")


def end_soon() -> None:
    """Make sure that this process, whose work is done, ends soon.

    A thread that waits for a dead disk or a silent database cannot be stopped, and Python would wait for it. What it
    leaves behind is what a kill leaves, and a sweep finds it.
    """

    def give_up() -> None:
        log.error("the disk or the database hangs; ending the process without waiting for it")
        os._exit(0)

    hanging = Timer(HANGS_AFTER_S, give_up)
    hanging.daemon = True
    hanging.start()


def tls_of(certificate: tuple[str, str]) -> ssl.SSLContext:
    """Return a TLS context for a chain and its key. They are read now."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.set_alpn_protocols(["http/1.1"])
    tls.load_cert_chain(*certificate, password="")  # never prompt: nobody may be at the terminal
    return tls


def return_large_memory() -> None:
    """Return large blocks of memory to the kernel as soon as they are freed.

    By default glibc starts to keep them after the first one: 20 MiB for each thread that hashed a password.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, RETURNED_AT_ONCE)


def return_free_memory() -> None:
    """Let the kernel have back what the start has taken and freed."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim is not None:
        trim(0)
