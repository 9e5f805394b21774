"""``make chaos``: clients upload and delete on two worker processes, and everything is killed again and again.

Workers and the whole server get SIGKILL, SIGSTOP and SIGCONT, SIGHUP and SIGTERM; clients leave in the middle with FIN
or RST. Then all becomes quiet, and every promise is checked by reading database and disk (`promises`), and against what
clients were told. The same seed makes the same choices; what meets what is up to the machine.
"""

import argparse
import asyncio
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import promises
from aftermath import upload_head
from asked_for import lines_not_asked_for
from node_stores import NodeStore, SharedFolder
from postgres import postgres_server
from rude import CHUNKED, WITH_LENGTH, Rude
from running import TIMEOUT_S
from server import Server, eventually
from stillage.db.session import make_engine
from waits import LONGEST_WAIT_S, Waits

CLIENTS = 6
SIZES = (0, 1, 70_000, 1 << 20, (1 << 20) + 1, 4 << 20)
SETTINGS = {"lease_s": 4, "sweep_interval_s": 0.5, "idle_timeout_s": 5, "shutdown_grace_s": 1, "restart_grace_s": 3}
ENGINES = ("sqlite", "postgresql")
GONE = (OSError, AssertionError, ValueError)  # what a client meets whose server is gone
Print = tuple[int, str]
Kinds = Mapping[str, tuple[Callable[[random.Random], bool], int]]


@dataclass
class Told:
    """What clients know of one image.

    Attributes:
        acknowledged: Size and digest of what was answered with 204.
        possible: The same of everything that was ever sent as a whole.
        deletion: True if it was answered with 204, None if it was asked for.
    """

    acknowledged: Print | None = None
    possible: set[Print] = field(default_factory=set)
    deletion: bool | None = False


class Chaos:
    """One run.

    Attributes:
        counts: What was done, by name; clients' disconnects are ``FIN`` and ``RST``.
        sizes: Of images, in bytes.
        settles_in_s: How long clean-up may take in the end.
        retries_after_s: How soon a client whose server is gone tries again.
        most_pause_s: How long an upload is waited for between two signals.
    """

    sizes: Sequence[int] = SIZES
    settles_in_s: float = LONGEST_WAIT_S
    retries_after_s: float = 0.02
    most_pause_s: float = 5.0

    def __init__(self, server: Server, database_url: str, seed: int, store: NodeStore | None = None) -> None:
        """*store*: where the server keeps its bytes; in its own folder by default."""
        self.counts: Counter[str] = Counter()
        self._server = server
        self._database_url = database_url
        self._seed = seed
        self._kept_in = store or SharedFolder(server.data_folder)
        self._told: dict[str, Told] = {}
        self._lock = Lock()
        self._over = Event()
        self._stopped: dict[int, float] = {}
        self._waits = Waits()

    @property
    def longest_wait_s(self) -> float:
        """Of a client, without progress."""
        return self._waits.longest_s

    def run(self, events: int) -> list[str]:
        """Let *events* things happen, as `enough` counts them. Return what promise is broken."""
        self._server.start()
        self._server.token()
        clients = [Thread(target=self._be_a_client, args=(number,), daemon=True) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        self._send_signals(random.Random(self._seed), events)
        self._over.set()
        for client in clients:
            client.join(2 * TIMEOUT_S)
        if any(client.is_alive() for client in clients):
            return ["a client waits for ever"]
        return [*self._waits.too_long, *self._verdict()]

    # What is done to the server

    def kinds(self) -> Kinds:
        """Return what may happen to the server: by name what to do, which returns if it was done, and how often."""
        return {
            "kill a worker": (self._kill_a_worker, 12),
            "stop a worker": (self._stop_a_worker, 8),
            "kill the server": (self._kill_the_server, 2),
            "restart the workers": (self._restart_the_workers, 1),
            "restart the server": (self._restart_the_server, 1),
        }

    def enough(self, signals: int, events: int) -> bool:
        """Return whether *events* things have happened: disconnects, and *signals*, which are at least a quarter."""
        return signals >= events / 4 and self.counts.total() - self.counts["stored"] - self.counts["deleted"] >= events

    def _send_signals(self, dice: random.Random, events: int) -> None:
        kinds, said = self.kinds(), 0.0
        names, weights = list(kinds), [weight for _, weight in kinds.values()]
        signals = 0
        while not self.enough(signals, events):
            time.sleep(dice.uniform(0.0, 0.4))
            self._let_it_work()
            if time.monotonic() - said > TIMEOUT_S:
                said = time.monotonic()
                print(dict(self.counts), file=sys.stderr, flush=True)
            self._wake(time.monotonic())
            name = dice.choices(names, weights)[0]
            if kinds[name][0](dice):
                self._count(name)
                signals += 1
        self._wake(float("inf"))

    def _let_it_work(self) -> None:
        """Wait until an upload has succeeded, or long enough: who is only ever being started breaks no promise."""
        before, until = self.counts["stored"], time.monotonic() + self.most_pause_s
        while self.counts["stored"] == before and time.monotonic() < until:
            time.sleep(0.02)
            self._wake(time.monotonic())

    def _kill_a_worker(self, dice: random.Random) -> bool:
        pid = self._a_worker(dice)
        return pid is not None and _signal(pid, signal.SIGKILL)

    def _stop_a_worker(self, dice: random.Random) -> bool:
        pid = self._a_worker(dice)
        # One that is stopped again and again is a server that is switched off: its clients may wait.
        if pid is None or pid in self._stopped or not _signal(pid, signal.SIGSTOP):
            return False
        # Sometimes for longer than its leases.
        self._stopped[pid] = time.monotonic() + dice.choice([0.1, 1, 2, SETTINGS["lease_s"] + 2])
        return True

    def _kill_the_server(self, _: random.Random) -> bool:
        _signal(self._server.pid, signal.SIGKILL)
        self._wake(float("inf"))  # a worker that is stopped in its first moments has to see for itself
        self._server.kill()
        self._server.start()
        return True

    def _restart_the_workers(self, _: random.Random) -> bool:
        return _signal(self._server.pid, signal.SIGHUP)

    def _restart_the_server(self, _: random.Random) -> bool:
        self._wake(float("inf"))
        self._server.restart()
        return True

    def _a_worker(self, dice: random.Random) -> int | None:
        return dice.choice(found) if (found := self._server.workers) else None

    def _wake(self, until: float) -> None:
        for pid in [pid for pid, then in self._stopped.items() if then <= until]:
            del self._stopped[pid]
            _signal(pid, signal.SIGCONT)

    # What clients do

    def _be_a_client(self, number: int) -> None:
        dice = random.Random(f"{self._seed}-{number}")
        while not self._over.is_set():
            try:
                self._use(dice)
            except GONE:
                time.sleep(self.retries_after_s)

    def _use(self, dice: random.Random) -> None:
        image_id = self._some_image(dice)
        if dice.random() < 0.25:
            self._delete(image_id)
            return
        data = dice.randbytes(dice.choice(self.sizes))
        with self._lock:
            self._told[image_id].possible.add(print_of(data))
        self._upload(dice, image_id, data)

    def _some_image(self, dice: random.Random) -> str:
        with self._lock:
            known = [image_id for image_id, told in self._told.items() if told.deletion is not True]
        if known and dice.random() < 0.6:
            return dice.choice(known[-20:])
        with self._waits.timing("the making of a record"):
            image_id = self._server.create()
        with self._lock:
            self._told[image_id] = Told()
        return image_id

    def _upload(self, dice: random.Random, image_id: str, data: bytes) -> None:
        body = dice.choice([WITH_LENGTH, CHUNKED])
        leaves_at = dice.randrange(len(data)) if data and dice.random() < 0.4 else None
        with Rude(self._server) as client:
            with self._waits.timing(f"the head of an upload of {len(data)} bytes to {image_id}"):
                client.send(upload_head(self._server, image_id, **body.headers(len(data))))
            for start in range(0, len(data), 200_000):
                piece = data[start : start + 200_000]
                if leaves_at is not None and leaves_at < start + len(piece):
                    self._leave(dice, client)
                    return
                with self._waits.timing(f"a piece of an upload to {image_id}"):
                    client.send(body.framed(piece))
                if dice.random() < 0.1:
                    time.sleep(dice.uniform(0, 0.2))
                if dice.random() < 0.02:
                    self._delete(image_id)
            with self._waits.timing(f"the answer to an upload to {image_id}"):
                client.send(body.end)
                status = client.answer().status
            if status == 204:
                self._stored(image_id, data)

    def _leave(self, dice: random.Random, client: Rude) -> None:
        how = dice.choice(["FIN", "RST"])
        self._count(how)
        (client.close if how == "FIN" else client.reset)()

    def _stored(self, image_id: str, data: bytes) -> None:
        self._count("stored")
        with self._lock:
            told = self._told[image_id]
            if told.acknowledged is not None:
                told.possible.clear()  # nothing can be right any more
            told.acknowledged = print_of(data)

    def _delete(self, image_id: str) -> None:
        with self._lock:
            told = self._told[image_id]
            told.deletion = told.deletion or None
        with self._waits.timing(f"the deletion of {image_id}"):
            status = self._server.api("DELETE", f"/v2/images/{image_id}").status
        if status == 204:
            self._count("deleted")
            told.deletion = True

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    # What is left

    def _verdict(self) -> list[str]:
        with asyncio.Runner() as self._loop, closing(self._kept_in.open()) as self._store:
            return self._findings()

    def _findings(self) -> list[str]:
        found = [*self._still_open()]
        self._server.restart()
        found += self._unsettled()
        state = self._state()
        found += [what for image_id, told in self._told.items() for what in _contradictions(state, image_id, told)]
        self._server.stop()
        return [*found, *lines_not_asked_for(self._server.log)]

    def _still_open(self) -> list[str]:
        """What workers hold of blobs when every client has left."""
        opened: dict[int, set[str]] = {}

        def nothing_is_open() -> bool:
            with suppress(OSError):  # a worker that ends meanwhile
                opened.clear()
                opened.update({pid: names for pid in self._server.workers if (names := self._server.open_blobs(pid))})
                return not opened
            return False

        with suppress(AssertionError):
            eventually(nothing_is_open, "nothing is open", within_s=LONGEST_WAIT_S)
        return [f"worker {pid} still has {sorted(names)} open" for pid, names in opened.items()]

    def _unsettled(self) -> list[str]:
        found = ["nothing was looked at"]

        def is_settled() -> bool:
            found[:] = promises.unsettled(self._state())
            return not found

        with suppress(AssertionError):
            eventually(is_settled, "everything has settled", within_s=self.settles_in_s)
        return found

    def _state(self) -> promises.State:
        stored = promises.InStore(self._store, self._kept_in.names(), self._loop.run)
        engine = make_engine(self._database_url)
        try:
            with engine.connect() as connection:
                return promises.State.read(connection, stored)
        finally:
            engine.dispose()


def print_of(data: bytes) -> Print:
    return len(data), hashlib.md5(data).hexdigest()


def _signal(pid: int, number: signal.Signals) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _contradictions(state: promises.State, image_id: str, told: Told) -> Iterator[str]:
    image = state.images.get(image_id)
    if image is None:
        yield f"image {image_id} was created, and is not there"
        return
    if image.status == "deleted":
        if told.deletion is False:
            yield f"image {image_id} is deleted, and nobody asked for it"
        return
    if told.deletion:
        yield f"image {image_id} was deleted, and is {image.status}"
    found = (image.size, image.checksum)
    if told.acknowledged not in (None, found):
        yield f"image {image_id} ({image.status}) has {found}, and {told.acknowledged} was acknowledged"
    if image.status == "active" and found not in told.possible:
        yield f"image {image_id} has {found}, which nobody sent as a whole"


@contextmanager
def chaos(engine: str, seed: int) -> Iterator[Chaos]:
    """A run on *engine*, on a server and a database of its own."""
    with ExitStack() as stack:
        data_folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-chaos-"))) / "data_folder"
        url = f"sqlite:///{data_folder / 'stillage.db'}"
        settings: dict[str, Any] = dict(SETTINGS)
        if engine == "postgresql":
            url = stack.enter_context(stack.enter_context(postgres_server()).migrated())
            settings["database_url"] = url
        server = Server(data_folder, arguments=("--workers", "2"), **settings)
        stack.callback(server.close)
        yield Chaos(server, url, seed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=500, help="kills, stops and disconnects (500)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--engine", choices=ENGINES, action="append", help="both, if not said")
    given = parser.parse_args()
    broken = 0
    for engine in given.engine or ENGINES:
        begun = time.monotonic()
        with chaos(engine, given.seed) as run:
            found = run.run(given.events)
        counts = ", ".join(f"{name}: {count}" for name, count in sorted(run.counts.items()))
        counts += f"; longest wait {run.longest_wait_s:.1f} s"
        print(f"{engine}, seed {given.seed}, {time.monotonic() - begun:.0f} s: {counts}")
        print("\n".join(f"  BROKEN: {what}" for what in found) or "  every promise is kept", flush=True)
        broken += len(found)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
