"""Several workers beside each other, and the parent that looks after them.

The parent serves nothing itself: it holds the sockets and the folder's lock, starts a worker again that died, and
passes signals on. At SIGHUP it replaces them, one after the other: the new one, with the code, the settings and the
certificate as they are then, serves on the same socket while the old one finishes what it has begun.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.process import BaseProcess
from threading import Thread

import structlog
from prometheus_client.multiprocess import mark_process_dead

from stillage import app
from stillage.cli import logs
from stillage.cli.worker import RETIRE, Plan, end_soon, return_large_memory, run_worker
from stillage.config import Settings
from stillage.errors import StillageError

log = structlog.get_logger()

# A worker that dies at once, again and again, has a fault that starting it again does not cure.
PAUSE_AFTER_DEATH_S = 1.0
PAUSE_AFTER_FAILURE_S = 5.0
PR_SET_PDEATHSIG = 1


def supervise(
    plan: Plan,
    sockets: Sequence[socket.socket],
    metrics_sockets: Sequence[socket.socket],
    *,
    ready: Callable[[], None],
    renewed: Callable[[], Plan | None],
) -> None:
    """Serve with one worker for each of *sockets* until SIGTERM or SIGINT.

    Args:
        plan: What the first workers run by.
        sockets: Bound to one address.
        metrics_sockets: For the first of them.
        ready: Called when all of them serve.
        renewed: Returns what the next workers run by, at SIGHUP; None to leave those that there are.
    """
    shared = app.shared_folder(plan.settings)
    assert shared is not None  # noqa: S101 - several workers share it
    shared.mkdir(mode=0o700, exist_ok=True)
    for old in shared.glob("*.db"):
        old.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)  # read by prometheus_client when a worker imports it
    crew = _Crew(plan, sockets, metrics_sockets)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: crew.stop())
    signal.signal(signal.SIGHUP, lambda *_: crew.ask_renewal())
    try:
        crew.start()
        if not crew.stopping:
            ready()
        while (dead := crew.wait(renewed)) is not None:
            mark_process_dead(dead.pid, str(shared))  # type: ignore[no-untyped-call]
            if crew.retired(dead):
                log.info("a replaced worker has ended", pid=dead.pid, exit_code=dead.exitcode)
                _clean_up_after(dead, crew.plan.settings)
            elif not crew.stopping:
                log.error("a worker died; starting it again", pid=dead.pid, exit_code=dead.exitcode)
                _clean_up_after(dead, crew.plan.settings)
                time.sleep(PAUSE_AFTER_DEATH_S)
                crew.replace(dead)
    finally:
        crew.end()
        end_soon()


def _clean_up_after(dead: BaseProcess, settings: Settings) -> None:
    """End the uploads of a worker that is gone, beside everything else and until it succeeds.

    Its bytes are left to the sweeps, since the disk may hang.
    """

    def try_again_and_again() -> None:
        while True:
            try:
                return asyncio.run(_end_uploads(settings, dead.name))
            except StillageError as error:
                log.error("cleaning up after a dead worker failed; it is tried again", pid=dead.pid, why=str(error))
            except Exception:
                log.exception("cleaning up after a dead worker failed; it is tried again", pid=dead.pid)
            time.sleep(PAUSE_AFTER_FAILURE_S)

    Thread(target=try_again_and_again, daemon=True).start()


async def _end_uploads(settings: Settings, dead_owner: str) -> None:
    async with app.build(settings, owner="") as worker:
        await worker.sweep.end_dead_uploads(dead_owners=dead_owner)


class _Crew:
    """The worker processes. Each has a socket of its own, which outlives it, and a name of its own, which does not.

    Attributes:
        plan: By which workers are started now.
        stopping: Nobody is started any more.
    """

    def __init__(self, plan: Plan, sockets: Sequence[socket.socket], metrics_sockets: Sequence[socket.socket]) -> None:
        self.stopping = False
        self.plan = plan
        self._sockets = sockets
        self._metrics_sockets = metrics_sockets
        self._slots: dict[BaseProcess, int] = {}
        # Kept open as long as the worker lives: it could not say that it is ready to an end that nobody holds.
        self._ready: dict[BaseProcess, Connection] = {}
        self._started = 0
        self._retiring: set[BaseProcess] = set()
        self._waker, self._wake = os.pipe()
        # Not fork: a worker must not inherit the parent's connections and locks.
        self._context = multiprocessing.get_context("spawn")

    def start(self) -> None:
        """Start one worker for each socket, and wait until all are ready or one has died."""
        for slot in range(len(self._sockets)):
            self._start(slot)
        for process in list(self._ready):
            self._serves(process)

    def wait(self, renewed: Callable[[], Plan | None]) -> BaseProcess | None:
        """Wait for a worker to end and return it; None when none is left. Replaces all of them when that is asked for.

        Args:
            renewed: Returns the plan for new workers; None to leave the old ones.
        """
        while everybody := [*self._slots, *self._retiring]:
            ended = wait_for_any([self._waker, *(process.sentinel for process in everybody)])
            dead = next((process for process in everybody if process.sentinel in ended), None)
            if dead is not None:
                dead.join()
                if self.stopping:
                    self._slots.pop(dead, None)
                return dead
            os.read(self._waker, 1)
            if not self.stopping and (plan := renewed()) is not None:
                self._renew(plan)
        return None

    def ask_renewal(self) -> None:
        os.write(self._wake, b"!")

    def retired(self, dead: BaseProcess) -> bool:
        """True for a worker that had been replaced before it ended."""
        if dead not in self._retiring:
            return False
        self._retiring.discard(dead)
        self._ready.pop(dead).close()
        return True

    def _renew(self, plan: Plan) -> None:
        """Replace each worker by a new one, as soon as that serves; if it cannot, the others stay, and their plan."""
        before, self.plan = self.plan, plan
        for old, slot in list(self._slots.items()):
            new = self._start(slot)
            if not self._serves(new) or self.stopping:
                new.terminate()
                new.join()
                if not self.stopping:
                    log.error("a new worker does not start; the old ones go on", exit_code=new.exitcode)
                self.plan = before
                del self._slots[new]
                self._ready.pop(new).close()
                return
            self._retiring.add(old)  # before it is forgotten: a stop may come between the two
            del self._slots[old]
            if old.pid is not None and old.is_alive():
                os.kill(old.pid, RETIRE)
        log.info("the workers are replaced", workers=len(self._slots))

    def replace(self, dead: BaseProcess) -> None:
        """Start another worker in the place of *dead*, unless a stop was asked for meanwhile."""
        self._ready.pop(dead).close()
        slot = self._slots.pop(dead)
        if not self.stopping:
            self._start(slot)

    def stop(self) -> None:
        self.stopping = True
        for process in (*self._slots, *self._retiring):
            if process.is_alive():
                process.terminate()

    def end(self) -> None:
        """Stop, and wait until nobody is left, who would go on with nobody to look after them."""
        self.stop()
        for process in (*self._slots, *self._retiring):
            process.join()

    def _serves(self, process: BaseProcess) -> bool:
        """Wait until *process* says that it serves; False if it ends before."""
        try:
            return bool(self._ready[process].recv())
        except (EOFError, OSError):  # comes before the process has quite ended
            return False

    def _start(self, slot: int) -> BaseProcess:
        reading, writing = self._context.Pipe(duplex=False)
        name = f"{self.plan.node_id}/{self._started}."
        metrics_sockets = self._metrics_sockets if slot == 0 else []
        process = self._context.Process(
            target=_run_child, args=(self.plan, self._sockets[slot], metrics_sockets, name, writing), name=name
        )
        # A hangup is for the parent, and may come to all of its group: workers inherit that it does not reach them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        writing.close()
        self._slots[process] = slot
        self._ready[process] = reading
        self._started += 1
        if self.stopping:  # asked for while it was started, and so not known to `stop`
            process.terminate()
        return process


def _run_child(
    plan: Plan, sock: socket.socket, metrics_sockets: Sequence[socket.socket], owner: str, ready: Connection
) -> None:
    # Workers end with their parent, however it ends: whoever starts next must find the folder unused.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:
        return  # it ended before the line above, and nobody would end us
    logs.configure(plan.settings.log_format, plan.settings.log_level)
    return_large_memory()
    run_worker(plan, [sock], metrics_sockets, owner, lambda: ready.send(True), has_parent=True)
