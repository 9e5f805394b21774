"""``make chaos-nodes``: clients upload and delete on two nodes, and whatever they need is killed again and again.

Nodes get SIGKILL, and start again at once, or when all their leases have run out; SIGSTOP and SIGCONT; and SIGTERM.
The database crashes, and recovers; so does the S3 server, and comes back at once or later. Clients upload in one
request or in pieces, and every request goes to a node of its own. Then all becomes quiet, and what `chaos` checks is
checked: of a bucket that nothing is in it but published images. The same seed makes the same choices; what meets what
is up to the machine.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import s3_server
from any_node import AnyNode
from asked_for import NO_DATABASE
from chaos import SETTINGS, Chaos, Kinds
from chaos_pieces import PiecesClient
from forked import forks
from node_stores import NodeStore, SharedBucket, SharedFolder
from nodes import nodes_on
from postgres import PostgresServer, postgres_server
from s3_server import OwnS3Server
from server import READY

NODES = 2
KINDS = ("files", "s3")
STORE_TIMEOUT_S = 5.0
MORE_SETTINGS = {"upload_age_s": 8, "deleted_download_s": 1}
"""So that what clients gave up, and what they deleted, is gone soon."""
SIZES = (0, 1, 70_000, 70_000, 1 << 20, 1 << 20, (5 << 20) + 1, 12 << 20)
"""The larger ones are several parts of an object."""
PLAIN = 0.5
"""How many uploads come in one request."""
SWEPT_S = SETTINGS["lease_s"] + 2.0
"""When another node has ended what a dead one was doing."""


class NodesChaos(Chaos):
    """One run on several nodes."""

    sizes = SIZES
    settles_in_s = 60.0
    most_pause_s = 1.5
    retries_after_s = 0.1  # often nobody is there, and the machine has to start somebody

    def __init__(
        self,
        nodes: AnyNode,
        postgres: PostgresServer,
        url: str,
        seed: int,
        store: NodeStore,
        bucket: OwnS3Server | None,
    ) -> None:
        """*bucket*: the server of *store*, if it has one."""
        super().__init__(nodes, url, seed, store)
        self._nodes = nodes
        self._postgres = postgres
        self._bucket = bucket
        self._dead_until: dict[int, float] = {}

    @property
    def log(self) -> str:
        """What the nodes have logged, and what is stored beside published images."""
        partial = [name for name in self._kept_in.listing() if "." in name]
        return "".join([self._nodes.log, *(f"left over: {name}\n" for name in partial)])

    def enough(self, signals: int, events: int) -> bool:
        return signals >= events

    def kinds(self) -> Kinds:
        kinds: Kinds = {
            "kill a node": (self._kill_a_node, 60),
            "stop a node": (self._stop_a_worker, 20),
            "restart a node": (self._restart_a_node, 5),
            "crash the database": (self._crash_the_database, 3),
        }
        return kinds if self._bucket is None else {**kinds, "crash the S3 server": (self._crash_the_bucket, 3)}

    def _wake(self, until: float) -> None:
        super()._wake(until)
        for number in [number for number, then in self._dead_until.items() if then <= until]:
            del self._dead_until[number]
            super()._wake(float("inf"))  # who is stopped may hold a lock that a start needs
            # Nobody waits for it: what it did before goes on at the other one meanwhile.
            self._nodes.nodes[number].launch()
        for number, node in enumerate(self._nodes.nodes):
            if not node.is_running and number not in self._dead_until:
                assert NO_DATABASE.search(node.run.log), f"node {number} has ended by itself:\n{node.run.log}"
                node.launch()  # as a service manager would

    def _kill_a_node(self, dice: random.Random) -> bool:
        number = dice.randrange(len(self._nodes.nodes))
        if number in self._dead_until:
            return False
        node = self._nodes.nodes[number]
        self._stopped.pop(node.pid, None)
        node.kill()
        self._dead_until[number] = time.monotonic() + dice.choice([0.0, 0.0, 1.0, SWEPT_S])
        return True

    def _restart_a_node(self, dice: random.Random) -> bool:
        number = dice.randrange(len(self._nodes.nodes))
        node = self._nodes.nodes[number]
        if number in self._dead_until or not READY.search(node.run.output) or node.pid in self._stopped:
            return False
        super()._wake(float("inf"))
        node.restart()
        return True

    def _crash_the_database(self, _: random.Random) -> bool:
        self._postgres.crash()
        return True

    def _crash_the_bucket(self, dice: random.Random) -> bool:
        assert self._bucket is not None
        self._bucket.crash()
        time.sleep(dice.choice([0.0, 0.0, SWEPT_S]))
        self._bucket.start()
        return True

    def _upload(self, dice: random.Random, image_id: str, data: bytes) -> None:
        if not data or dice.random() < PLAIN:
            super()._upload(dice, image_id, data)
            return
        if PiecesClient(self._server, dice, self._waits, data).upload(image_id):
            self._stored(image_id, data)


@contextmanager
def chaos_nodes(seed: int, kind: str) -> Iterator[NodesChaos]:
    """A run on a database of its own, and on a store of a *kind* of `KINDS`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-chaos-")))
        postgres = stack.enter_context(postgres_server())
        url = stack.enter_context(postgres.migrated())
        bucket = stack.enter_context(s3_server.own_s3_server()) if kind == "s3" else None
        store: NodeStore = SharedFolder(folder)
        if bucket is not None:
            store = SharedBucket(s3_server.settings(endpoint=bucket.endpoint, timeout_s=STORE_TIMEOUT_S), folder)
        settings: dict[str, Any] = {**SETTINGS, **MORE_SETTINGS}
        nodes = stack.enter_context(nodes_on(url, folder, NODES, store=store, **settings))
        fork = stack.enter_context(forks())
        for node in nodes:
            node.spawn = fork
        yield NodesChaos(AnyNode(nodes, store), postgres, url, seed, store, bucket)


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos_nodes", description=__doc__)
    parser.add_argument("--events", type=int, default=500, help="kills, stops, restarts and crashes (500)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--store", choices=KINDS, default="s3", help="what the nodes share (s3)")
    parser.add_argument("--log", type=Path, help="where to write what the nodes have logged")
    given = parser.parse_args()
    begun = time.monotonic()
    with chaos_nodes(given.seed, given.store) as run:
        found = run.run(given.events)
        if given.log is not None:
            given.log.write_text(run.log)
    counts = ", ".join(f"{name}: {count}" for name, count in sorted(run.counts.items()))
    print(f"{given.store}, seed {given.seed}, {time.monotonic() - begun:.0f} s: {counts}")
    print(f"  longest wait {run.longest_wait_s:.1f} s")
    print("\n".join(f"  BROKEN: {what}" for what in found) or "  every promise is kept", flush=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
