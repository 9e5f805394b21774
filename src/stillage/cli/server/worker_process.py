"""One worker process of several: started by the supervisor, tied to it, and cleaned up after when it is gone."""

import asyncio
import multiprocessing
import signal
import socket
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from threading import Thread

import structlog

from stillage.cli import logs
from stillage.cli.server import link
from stillage.cli.server.worker import Plan, return_large_memory, run_worker
from stillage.config import Settings
from stillage.db.leases import LeaseOwner
from stillage.errors import StillageError
from stillage.worker import build_worker

log = structlog.get_logger()

PAUSE_AFTER_FAILURE_S = 5.0

# Not fork: a worker must not inherit the parent's connections and locks.
_context = multiprocessing.get_context("spawn")


@dataclass(eq=False, slots=True)
class Worker:
    """One worker process. Its name is unique; its slot is that of all that serve on its socket.

    Attributes:
        slot: Index of its socket.
        plan: What it was started with.
        link: A socket to it. None when it has closed its end.
        replaces: The worker to retire as soon as this one serves.
    """

    slot: int
    plan: Plan
    process: BaseProcess
    link: socket.socket | None
    replaces: "Worker | None" = None
    serves: bool = False
    retired: bool = False


def start(slot: int, plan: Plan, number: int, replaces: Worker | None) -> Worker:
    """Start a process. *number*: how many were started before it, which makes its name unique."""
    ours, theirs = socket.socketpair()
    owner = LeaseOwner(plan.node_id, str(number))
    process = _context.Process(target=_run_child, args=(plan, owner, theirs), name=str(owner))
    # SIGHUP is for the parent but may be sent to its whole group; workers inherit that it is blocked.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    process.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    theirs.close()
    return Worker(slot, plan, process, ours, replaces)


def _run_child(plan: Plan, owner: LeaseOwner, parent: socket.socket) -> None:
    if not link.tie_to_parent() or (held := link.ask(parent)) is None:
        return
    logs.configure(plan.settings.log_format, plan.settings.log_level)
    return_large_memory()
    serves = partial(link.say_that_it_serves, parent)
    run_worker(plan, held.sockets, held.metrics_sockets, owner, serves, has_parent=True)


def clean_up_after(dead: BaseProcess, settings: Settings) -> None:
    """End the uploads of a worker that is gone, in the background, until it succeeds.

    Their bytes are left to the sweeps, since the disk may hang.
    """

    def try_again_and_again() -> None:
        while True:
            try:
                return asyncio.run(_end_uploads(settings, LeaseOwner.parse(dead.name)))
            except StillageError as error:
                log.warning("cleaning up after a dead worker failed; trying again", pid=dead.pid, why=str(error))
            except Exception:
                log.exception("cleaning up after a dead worker failed; trying again", pid=dead.pid)
            time.sleep(PAUSE_AFTER_FAILURE_S)

    Thread(target=try_again_and_again, daemon=True).start()


async def _end_uploads(settings: Settings, dead: LeaseOwner) -> None:
    async with build_worker(settings) as worker:
        await worker.sweep.end_dead_uploads(dead=dead)
