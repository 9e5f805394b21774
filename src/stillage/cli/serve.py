"""``stillage serve``: prepare the data folder, bind, and run one worker here or several beside.

The parent of several workers serves nothing itself: it holds the sockets and the folder's lock, starts a worker again
that died, and passes signals on. At SIGHUP it replaces them, one after the other: the new one, with the code, the
settings and the certificate as they are then, serves on the same socket while the old one finishes what it has begun.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.process import BaseProcess
from threading import Thread, Timer

import structlog
import uvloop
from prometheus_client.multiprocess import mark_process_dead

from stillage import app
from stillage.api import wire
from stillage.cli import logs
from stillage.cli.home import Home, client_url
from stillage.config import Settings, address_of
from stillage.db import schema
from stillage.db.session import Database
from stillage.errors import BadSettings, StillageError

log = structlog.get_logger()

# A worker that dies at once, again and again, has a fault that starting it again does not cure.
PAUSE_AFTER_DEATH_S = 1.0
PAUSE_AFTER_FAILURE_S = 5.0
# From the parent to a worker: another one serves. SIGHUP is for the parent, and may come to all of its group.
RETIRE = signal.SIGUSR1
ALONE = "SIGHUP replaces workers while they serve, which takes --workers 2 or more; nothing was done"
PR_SET_PDEATHSIG = 1
M_MMAP_THRESHOLD = -3
# What a process gets, after the time for what it had begun, to put everything away.
HANGS_AFTER_S = 10.0
# Larger than a block of an image, which is wanted again at once; smaller than what hashing a password takes.
RETURNED_AT_ONCE = 4 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker needs to run, fit to be sent to another process."""

    settings: Settings
    node_id: str
    certificate: tuple[str, str] | None


def serve(load: Callable[[], Settings]) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        load: Returns the settings, at the start and for every restart of the workers.

    Raises:
        BadSettings: If it cannot even begin; the text says why.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is somebody to replace; by itself it would end us
    settings = load()
    logs.configure(settings.log_format, settings.log_level)
    return_large_memory()
    home = Home(settings.data)
    home.prepare()
    lock = home.lock()
    try:
        sockets = bind(settings.listen, settings.workers)
        metrics_sockets = bind(settings.metrics_listen, 1, setting="metrics_listen") if settings.metrics_listen else []
        settings = settings.model_copy(update={"listen": _shown_address(settings.listen, sockets[0])})
        if settings.secret_key is None:
            home.make_secret()
        plan = Plan(settings, home.node_id(), _certificate(home, settings))
        asyncio.run(_prepare(home, settings, plan.node_id))
        if settings.workers == 1:
            run_worker(plan, sockets, metrics_sockets, f"{plan.node_id}/0.", lambda: announce(home, settings))
        else:
            _supervise(plan, home, sockets, metrics_sockets, load)
    finally:
        os.close(lock)


def return_large_memory() -> None:
    """Let the kernel have large pieces of memory back as soon as they are free.

    By itself glibc learns from the first of them to keep such pieces, 20 MiB for every thread that hashed a password.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, RETURNED_AT_ONCE)


def bind(listen: str, count: int, *, setting: str = "--listen") -> list[socket.socket]:
    """Return *count* bound sockets for ``HOST:PORT``, among which the kernel spreads connections.

    *setting* is where the address comes from.

    Raises:
        BadSettings: If the address cannot be had, for instance because somebody listens there.
    """
    host, port = address_of(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        first = _bound(family, address, shared=False)  # alone, so that somebody else's server shows
        if count == 1:
            return [first]
        address = first.getsockname()
        first.close()
        return [_bound(family, address, shared=True) for _ in range(count)]
    except OSError as error:
        raise BadSettings(f"cannot listen on {listen}: {error.strerror}; choose another {setting}") from error


def _bound(family: int, address: object, *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind(address)  # type: ignore[arg-type]
    except OSError:
        made.close()
        raise
    return made


def _shown_address(listen: str, bound: socket.socket) -> str:
    # Port 0 means any; from here on everybody needs to know which.
    return f"{listen.rpartition(':')[0]}:{bound.getsockname()[1]}"


def _certificate(home: Home, settings: Settings) -> tuple[str, str] | None:
    if not settings.tls:
        return None
    if settings.tls_certificate is not None and settings.tls_key is not None:
        chain, key = settings.tls_certificate, settings.tls_key
    else:
        made = home.certificate(settings)
        chain, key = made.chain, made.key
    certificate = str(chain), str(key)
    try:
        tls_of(certificate)  # here, where somebody is told: a worker could only die of it
    except OSError as error:  # of which an SSLError is one
        why = error.strerror or str(error)
        raise BadSettings(f"the certificate {chain} with the key {key} cannot be used: {why}") from error
    return certificate


def tls_of(certificate: tuple[str, str]) -> ssl.SSLContext:
    """Return what serves with a chain and its key, which are read now."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.set_alpn_protocols(["http/1.1"])
    tls.load_cert_chain(*certificate, password="")  # asking for one would wait at a terminal that nobody sees
    return tls


async def _prepare(home: Home, settings: Settings, node_id: str) -> None:
    """Bring database, identity and clouds.yaml to where the workers need them, and clean up after a crash."""
    database = Database(settings.database)
    try:
        if database.engine.dialect.name == "sqlite":
            schema.upgrade(database.engine)
        else:
            schema.require_current(database.engine)
        if settings.keystone_url is None:
            chosen = settings.admin_password.get_secret_value() if settings.admin_password else None
            home.write_clouds(settings, await app.make_identity_bootstrap(database, chosen))
    finally:
        database.close()
    # Nobody else runs on this folder, so whatever our earlier processes were receiving is lost.
    await _sweep(settings, f"{node_id}/")


async def _sweep(settings: Settings, dead_owners: str) -> None:
    async with app.build(settings, owner="") as worker:
        swept = await worker.sweep(dead_owners=dead_owners)
    if swept.uploads or swept.blobs:
        log.warning("cleaned up after a crash", uploads=swept.uploads, blobs=swept.blobs)


async def _end_uploads(settings: Settings, dead_owner: str) -> None:
    async with app.build(settings, owner="") as worker:
        await worker.sweep.end_dead_uploads(dead_owners=dead_owner)


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

    async def run() -> None:
        stop, loop = wire.Stop(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _end_in_time, stop, plan.settings.shutdown_grace_s)
        if has_parent:
            loop.add_signal_handler(RETIRE, _end_in_time, stop, plan.settings.restart_grace_s)
            loop.add_signal_handler(signal.SIGHUP, lambda: None)  # of a whole group; the parent has it as well
        else:
            loop.add_signal_handler(signal.SIGHUP, log.warning, ALONE)
        await app.serve(
            plan.settings, sockets, tls=tls, metrics_sockets=metrics_sockets, owner=owner, ready=ready, stop=stop
        )

    uvloop.run(run())


def _end_in_time(stop: wire.Stop, grace_s: float) -> None:
    """End this process after *grace_s* at the most, and a little later the hard way.

    A thread in a dead disk, or one that waits for a silent database, cannot be ended and would be waited for. What it
    leaves behind is what a kill leaves: a sweep finds it.
    """
    stop.ask(grace_s)

    def give_up() -> None:
        log.error("the disk or the database hangs; the process ends without waiting for it")
        os._exit(0)

    hanging = Timer(grace_s + HANGS_AFTER_S, give_up)
    hanging.daemon = True
    hanging.start()


def announce(home: Home, settings: Settings) -> None:
    """Say that the server is ready, and how to use it."""
    text = _with_keystone(settings) if settings.keystone_url else _by_itself(home, settings)
    print(text, flush=True)  # noqa: T201 - what a user of the command reads


def _by_itself(home: Home, settings: Settings) -> str:
    url, folder = client_url(settings), home.folder.resolve()
    trust = f"--cacert {folder}/tls/ca.pem " if settings.tls and settings.tls_certificate is None else ""
    return f"""
Stillage is ready at {url}

  OpenStack clients:
    export OS_CLIENT_CONFIG_FILE={home.clouds.resolve()}
    openstack --os-cloud stillage image list

  curl:
    T=$({sys.argv[0]} token --data {folder}) ID=$(cat /proc/sys/kernel/random/uuid)
    curl {trust}-H "X-Auth-Token: $T" {url}/v2/images -d '{{"id": "'$ID'", "name": "disk", "container_format": "bare"}}'
    curl -i {trust}{url}/v2/images/$ID/file -X PUT -H "X-Auth-Token: $T" \\
         -H "Content-Type:application/octet-stream" -T disk.img
"""


def _with_keystone(settings: Settings) -> str:
    url = client_url(settings)
    return f"""
Stillage is ready at {url}

  Users and tokens are those of Keystone at {settings.keystone_url}. Its catalogue needs, once:
    openstack service create --name stillage image
    openstack endpoint create --region {settings.region} image public {url}
"""


def _supervise(
    plan: Plan,
    home: Home,
    sockets: Sequence[socket.socket],
    metrics_sockets: Sequence[socket.socket],
    load: Callable[[], Settings],
) -> None:
    shared = app.shared_folder(plan.settings)
    assert shared is not None  # noqa: S101 - several workers share it
    shared.mkdir(exist_ok=True)
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
            announce(home, plan.settings)
        while (dead := crew.wait(lambda: _renewed(plan, home, load))) is not None:
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


def _renewed(plan: Plan, home: Home, load: Callable[[], Settings]) -> Plan | None:
    """Return the plan of the next workers; None if the settings cannot be used. What is bound and held stays."""
    try:
        settings = load()
        same = {"listen": plan.settings.listen, "data": plan.settings.data, "workers": plan.settings.workers}
        settings = settings.model_copy(update=same)
        return Plan(settings, plan.node_id, _certificate(home, settings))
    except (StillageError, OSError, ValueError) as error:  # ValueError: a certificate that is none
        log.error("the settings cannot be used; the workers stay as they are", why=str(error))
        return None


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
        process.start()
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
