"""Clients and servers are killed at random points of uploads, hundreds of times, and every image is what was sent.

``PYTHONPATH=tests/support .venv/bin/python -m resuming_chaos --kills 300``. Every upload uses one of the protocols,
from one client or several, each a process of its own; clients, workers and whole servers get SIGKILL and are started
again. The same seed makes the same choices; what meets what is up to the machine.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from postgres import PostgresServer, postgres_server
from resuming_client import __file__ as CLIENT  # noqa: N812 - the program
from server import MIB, Server, eventually, free_port
from workers import kill_worker

ENGINES = ("sqlite", "postgresql")
PROTOCOLS = ("pieces", "tus", "ietf")
SETTINGS = {"sweep_interval_s": 0.5, "shutdown_grace_s": 1}
# What is killed, and how often of a hundred. A server takes a second to start.
VICTIMS = {"client": 65, "worker": 20, "server": 15}
LONGEST_LIFE_S = 0.25
WORKERS = 2

Process = subprocess.Popen[str]


class ResumingChaos:
    """One run.

    Attributes:
        counts: Kills by victim, and images by protocol.
    """

    def __init__(self, server: Server, folder: Path, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._server = server
        self._folder = folder
        self._dice = random.Random(seed)

    @property
    def kills(self) -> int:
        return sum(self.counts[victim] for victim in VICTIMS)

    def run(self, kills: int) -> None:
        """Upload image after image until *kills* processes were killed. Fails if one of them is not what was sent."""
        self._server.start()
        while self.kills < kills:
            self._upload(kills)

    def _upload(self, kills: int) -> None:
        protocol = self._dice.choice(PROTOCOLS)
        data = self._dice.randbytes(self._dice.randrange(MIB, 6 * MIB))
        file = self._folder / "sent.img"
        file.write_bytes(data)
        image_id = self._server.create()
        answer = self._server.api("POST", f"/v2/images/{image_id}/uploads", {"size": len(data)})
        assert answer.status == 201, answer.body
        # In order there is one who sends; pieces come from several.
        clients = [self._client(protocol, answer.json["url"], file) for _ in range(3 if protocol == "pieces" else 1)]
        try:
            while any(client.poll() != 0 for client in clients):
                if self.kills < kills:
                    time.sleep(self._dice.uniform(0, LONGEST_LIFE_S))
                    self._kill(clients)
                clients = [self._again(client) for client in clients]
                time.sleep(0.01)
        finally:
            for client in clients:
                client.kill()
                client.communicate()
        self._check(image_id, data)
        self.counts[protocol] += 1

    def _client(self, protocol: str, path: str, file: Path) -> Process:
        return self._started([sys.executable, CLIENT, protocol, self._server.url, path, str(file)])

    def _started(self, line: list[str]) -> Process:
        return subprocess.Popen([*line, str(self._dice.random())], stderr=subprocess.PIPE, text=True)

    def _again(self, client: Process) -> Process:
        """Return *client*, or if it was killed one that goes on for it."""
        code = client.poll()
        assert client.stderr
        if code in (None, 0):
            return client
        said = client.stderr.read()
        assert code == -signal.SIGKILL, said
        client.stderr.close()
        assert isinstance(client.args, list)
        return self._started([str(word) for word in client.args[:-1]])

    def _kill(self, clients: list[Process]) -> None:
        (victim,) = self._dice.choices(list(VICTIMS), list(VICTIMS.values()))
        if victim == "client":
            alive = [client for client in clients if client.poll() is None]
            if not alive:
                return
            chosen = self._dice.choice(alive)
            chosen.kill()
            chosen.wait()
        elif victim == "worker":
            workers = self._server.workers
            if not workers:
                return
            with suppress(ProcessLookupError):
                kill_worker(self._server, self._dice.choice(workers))
        else:
            workers = self._server.workers
            self._server.kill()
            for pid in workers:
                _kill(pid)
            self._server.start()
        self.counts[victim] += 1

    def _check(self, image_id: str, data: bytes) -> None:
        image = eventually(lambda: self._shown(image_id), "somebody shows the image")
        assert (image["status"], image["size"]) == ("active", len(data)), image
        assert image["os_hash_value"] == hashlib.sha512(data).hexdigest(), image
        assert self._server.download(image_id).body == data
        assert self._server.api("DELETE", f"/v2/images/{image_id}").status == 204

    def _shown(self, image_id: str) -> dict[str, object] | None:
        with suppress(OSError):  # a worker that was killed a moment ago
            return self._server.show(image_id)
        return None


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def resuming_chaos(engine: str, seed: int, postgres: PostgresServer | None = None) -> Iterator[ResumingChaos]:
    """A run on *engine*, on a server and a database of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-chaos-")))
        settings: dict[str, Any] = dict(SETTINGS)
        if engine == "postgresql":
            postgres = postgres or stack.enter_context(postgres_server())
            settings["database_url"] = stack.enter_context(postgres.migrated())
        arguments = ("--workers", str(WORKERS), "--listen", f"127.0.0.1:{free_port()}")
        server = Server(folder / "home", arguments=arguments, **settings)
        stack.callback(server.close)
        yield ResumingChaos(server, folder, seed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="resuming_chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="of clients, workers and servers (300)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--engine", choices=ENGINES, action="append", help="both, if not said")
    given = parser.parse_args()
    for engine in given.engine or ENGINES:
        begun = time.monotonic()
        with resuming_chaos(engine, given.seed) as run:
            run.run(given.kills)
        counts = ", ".join(f"{name}: {count}" for name, count in sorted(run.counts.items()))
        print(f"{engine}, seed {given.seed}, {time.monotonic() - begun:.0f} s, {run.kills} kills: {counts}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
