"""Supervises several workers: starts them, restarts those that die, and replaces them at SIGHUP.

The parent serves nothing itself: it holds the sockets and the lock of the folder, restarts a worker that died, and
forwards signals. While a worker is missing nobody listens in its place, and the others get its clients. At SIGHUP the
parent replaces them one after the other: the new one, with the code, the settings and the certificate as they are
then, serves on the same socket while the old one finishes its requests.

It never waits for a single worker: while one starts or hangs, others may die.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.process import BaseProcess

import structlog
from prometheus_client.multiprocess import mark_process_dead

from stillage.cli.server import link, processes
from stillage.cli.server.link import Held
from stillage.cli.server.listening import bound_again
from stillage.cli.server.worker import HANGS_AFTER_S, HURRY, RETIRE, Plan, end_soon
from stillage.cli.server.worker_process import Worker, clean_up_after, start
from stillage.config import Settings
from stillage.worker import shared_folder

log = structlog.get_logger()

# Do not restart a worker that keeps dying in a tight loop.
PAUSE_AFTER_DEATH_S = 1.0
# Of a new worker before it serves. One that ends by itself has a reason, and is not started again.
MOST_KILLS = 5


def supervise(
    plan: Plan,
    sockets: Sequence[socket.socket],
    metrics_sockets: Sequence[socket.socket],
    *,
    lock: int,
    ready: Callable[[], None],
    renewed: Callable[[], Plan | None],
) -> None:
    """Serve with one worker for each of *sockets* until SIGTERM or SIGINT.

    Args:
        plan: For the first workers.
        sockets: Bound to one address.
        metrics_sockets: For the first of them.
        lock: Of the data folder.
        ready: Called when all workers serve.
        renewed: Returns the plan for new workers, at SIGHUP; None to keep the old ones.
    """
    shared = shared_folder(plan.settings)
    assert shared is not None  # noqa: S101 - several workers share it
    shared.mkdir(mode=0o700, exist_ok=True)
    for old in shared.glob("*.db"):
        old.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)  # read by prometheus_client when a worker imports it

    def ended(dead: BaseProcess, its_settings: Settings) -> None:
        mark_process_dead(dead.pid, str(shared))  # type: ignore[no-untyped-call]
        clean_up_after(dead, its_settings)

    held = [Held(lock, [sock], metrics_sockets if slot == 0 else []) for slot, sock in enumerate(sockets)]
    supervisor = _Supervisor(plan, held, ended)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
    signal.signal(signal.SIGINT, lambda *_: supervisor.interrupt())
    signal.signal(signal.SIGHUP, lambda *_: supervisor.ask_renewal())
    try:
        supervisor.run(ready, renewed)
    finally:
        supervisor.end()
        end_soon()


@dataclass(slots=True)
class _Renewal:
    """A replacement of all workers in progress. *slots* are still to be replaced, the first of them now."""

    plan: Plan
    slots: list[int]
    kills: int = 0


class _Supervisor:
    """Starts, watches and ends the worker processes.

    Attributes:
        stopping: No more workers are started.
    """

    def __init__(self, plan: Plan, held: Sequence[Held], ended: Callable[[BaseProcess, Settings], None]) -> None:
        """*ended* is called for each worker that ends early."""
        self.stopping = False
        self._interrupted = False
        self._kill_after_s = plan.settings.shutdown_grace_s + 2 * HANGS_AFTER_S
        self._kill_at: float | None = None
        self._held = list(held)
        self._ended = ended
        self._plans = [plan] * len(held)
        self._workers: list[Worker] = []
        self._due: list[tuple[float, int]] = []  # when to start another worker in a slot
        self._renewal: _Renewal | None = None
        self._asked = False
        self._started = 0
        self._waker, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def run(self, ready: Callable[[], None], renewed: Callable[[], Plan | None]) -> None:
        """Run until a stop was asked for and all workers have ended.

        Args:
            ready: Called once, when all of them serve.
            renewed: Returns the plan for new workers; None to keep the old ones.
        """
        told = False
        for slot in range(len(self._held)):
            self._start(slot, self._plans[slot])
        while self._workers or self._due:
            self._wait()
            if not told and not self.stopping and self._all_serve():
                told = True
                ready()
            if self._asked and self._renewal is None and told and not self.stopping:
                self._asked = False
                if (plan := renewed()) is not None:
                    self._renewal = _Renewal(plan, list(range(len(self._held))))
                    self._renew_next()

    def ask_renewal(self) -> None:
        self._asked = True
        self._wake_up()

    def stop(self) -> None:
        """Ask all workers to end, and kill those that do not end in time."""
        self.stopping = True
        self._kill_at = self._kill_at or time.monotonic() + self._kill_after_s
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        self._wake_up()

    def interrupt(self) -> None:
        """As `stop`; the second time let the workers cut off what they still wait for."""
        if self._interrupted:
            for worker in self._workers:
                if worker.process.is_alive() and worker.process.pid is not None:
                    os.kill(worker.process.pid, HURRY)
        self._interrupted = True
        self.stop()

    def end(self) -> None:
        """Stop, and wait until no worker is left."""
        self.stop()
        while self._workers:
            self._wait()

    # Events

    def _wait(self) -> None:
        """Wait for the next event and handle it."""
        waiting: list[int | socket.socket] = [self._waker]
        for worker in self._workers:
            waiting += [worker.process.sentinel, *([worker.link] if worker.link else [])]
        happened = set(wait_for_any(waiting, self._timeout_s()))
        if self._waker in happened:
            os.read(self._waker, 1 << 10)
        for worker in list(self._workers):
            if worker.link in happened:
                self._listen(worker)
            if worker.process.sentinel in happened:
                self._bury(worker)
        self._start_due()
        if self._kill_at is not None and self._kill_at <= time.monotonic():
            self._kill()

    def _timeout_s(self) -> float | None:
        moments = [*(when for when, _ in self._due), *([self._kill_at] if self._kill_at is not None else [])]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _kill(self) -> None:
        self._kill_at = time.monotonic() + self._kill_after_s  # one that waits for a dead disk cannot even be killed
        for worker in self._workers:
            log.error("killing a worker that does not end", pid=worker.process.pid)
            worker.process.kill()

    def _listen(self, worker: Worker) -> None:
        assert worker.link is not None  # noqa: S101 - who has none is not listened to
        said = link.heard(worker.link)
        if said == link.ASKS:
            with suppress(OSError):  # it has just died
                link.hand_over(worker.link, self._held[worker.slot])
        elif said == link.SERVES:
            worker.serves = True
            if worker.replaces is not None and not self.stopping:
                self._retire(worker, worker.replaces)
        else:
            worker.link.close()
            worker.link = None

    def _bury(self, dead: Worker) -> None:
        dead.process.join()
        self._workers.remove(dead)
        if dead.link is not None:
            dead.link.close()
        self._record()
        if self.stopping:
            return
        pid, exit_code = dead.process.pid, dead.process.exitcode
        begins = dead.replaces is not None and not dead.serves
        if not dead.retired and not begins:
            self._listen_no_more(dead.slot)  # first, since the database may delay what follows
            log.error("a worker died; restarting it", pid=pid, exit_code=exit_code)
        self._ended(dead.process, dead.plan.settings)
        if dead.retired:
            log.info("a replaced worker has ended", pid=pid, exit_code=exit_code)
        elif begins:
            self._try_renewal_again(dead)
        else:
            self._due.append((time.monotonic() + PAUSE_AFTER_DEATH_S, dead.slot))

    def _listen_no_more(self, slot: int) -> None:
        """Stop listening in *slot* until a worker serves there, so that its clients go to other workers."""
        held = self._held[slot]
        try:
            self._held[slot] = replace(held, sockets=[bound_again(sock) for sock in held.sockets])
        except OSError as error:
            log.warning("could not bind the address again; clients wait for the next worker", why=error.strerror)

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [slot for when, slot in self._due if when <= now or self.stopping]
        self._due = [(when, slot) for when, slot in self._due if when > now and not self.stopping]
        for slot in due:
            if not self.stopping:
                self._start(slot, self._plans[slot])

    # Renewal

    def _renew_next(self) -> None:
        """Start the next new worker beside the one that it will replace."""
        renewal = self._renewal
        assert renewal is not None  # noqa: S101 - it has begun
        if not renewal.slots:
            self._renewal = None
            log.info("all workers were replaced", workers=len(self._held))
            return
        slot = renewal.slots[0]
        old = next((worker for worker in self._workers if worker.slot == slot and not worker.retired), None)
        if old is None:  # it has just died: the one started in its place will be a new one
            self._plans[slot] = renewal.plan
            renewal.slots.pop(0)
            self._renew_next()
        else:
            self._start(slot, renewal.plan, replaces=old)

    def _retire(self, new: Worker, old: Worker) -> None:
        self._plans[new.slot] = new.plan
        new.replaces = None
        self._due = [(when, slot) for when, slot in self._due if slot != new.slot]
        for worker in self._workers:
            if worker.slot == new.slot and worker is not new and not worker.retired:
                worker.retired = True  # also one that was started for a worker that died
                if worker.process.pid is not None and worker.process.is_alive():
                    os.kill(worker.process.pid, RETIRE if worker is old or worker.serves else signal.SIGTERM)
        if self._renewal is not None:
            self._renewal.slots.pop(0)
            self._renewal.kills = 0
            self._renew_next()

    def _try_renewal_again(self, dead: Worker) -> None:
        """A new worker ended before it served: try again if it was killed, otherwise keep the old workers."""
        renewal, exit_code = self._renewal, dead.process.exitcode
        assert renewal is not None  # noqa: S101 - a worker replaces another only in a renewal
        renewal.kills += 1
        if exit_code is not None and exit_code < 0 and renewal.kills < MOST_KILLS:
            log.warning("a new worker was killed before it served; starting another", exit_code=exit_code)
            self._renew_next()
            return
        log.error("a new worker failed to start; keeping the old ones", exit_code=exit_code)
        self._renewal = None

    # Processes

    def _all_serve(self) -> bool:
        return sum(worker.serves for worker in self._workers if not worker.retired) == len(self._held)

    def _start(self, slot: int, plan: Plan, *, replaces: Worker | None = None) -> None:
        worker = start(slot, plan, self._started, replaces)
        self._workers.append(worker)
        self._started += 1
        self._record()
        if self.stopping:  # `stop` ran while it was started, and missed it
            worker.process.terminate()

    def _record(self) -> None:
        pids = [worker.process.pid for worker in self._workers if worker.process.pid is not None]
        processes.write(self._plans[0].settings.data, pids)

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):  # the pipe is full, so it will wake anyway
            os.write(self._wake, b"!")
