"""``make chaos-nodes``: clients upload and delete on two nodes, and nodes and the database are killed again and again.

Nodes get SIGKILL, and start again at once, or when all their leases have run out; SIGSTOP and SIGCONT; and SIGTERM.
The database crashes, and recovers. Then all becomes quiet, and what `chaos` checks is checked. Every request goes to
a node of its own. The same seed makes the same choices; what meets what is up to the machine.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from any_node import AnyNode
from chaos import SETTINGS, Chaos, Kinds
from nodes import PrepareStore, nodes_on, shared_folder
from postgres import PostgresServer, postgres_server
from promises import ListedStore
from stillage.stores.files.blobs import FileStore

NODES = 2
SWEPT_S = SETTINGS["lease_s"] + 2.0
"""When another node has ended what a dead one was doing."""


class NodesChaos(Chaos):
    """One run on several nodes."""

    def __init__(
        self, nodes: AnyNode, postgres: PostgresServer, url: str, seed: int, open_store: Callable[[], ListedStore]
    ) -> None:
        super().__init__(nodes, url, seed, open_store)
        self._nodes = nodes
        self._postgres = postgres
        self._dead_until: dict[int, float] = {}

    def kinds(self) -> Kinds:
        return {
            "kill a node": (self._kill_a_node, 12),
            "stop a node": (self._stop_a_worker, 6),
            "restart a node": (self._restart_a_node, 2),
            "crash the database": (self._crash_the_database, 2),
        }

    def _wake(self, until: float) -> None:
        super()._wake(until)
        for number in [number for number, then in self._dead_until.items() if then <= until]:
            del self._dead_until[number]
            super()._wake(float("inf"))  # who is stopped may hold a lock that a start needs
            self._nodes.nodes[number].start()

    def _kill_a_node(self, dice: random.Random) -> bool:
        number = dice.randrange(len(self._nodes.nodes))
        if not self._nodes.nodes[number].is_running:
            return False
        self._nodes.nodes[number].kill()
        self._dead_until[number] = time.monotonic() + dice.choice([0.0, 0.0, 1.0, SWEPT_S])
        return True

    def _restart_a_node(self, dice: random.Random) -> bool:
        node = dice.choice(self._nodes.nodes)
        if not node.is_running or node.pid in self._stopped:
            return False
        super()._wake(float("inf"))
        node.restart()
        return True

    def _crash_the_database(self, _: random.Random) -> bool:
        self._postgres.crash()
        return True


@contextmanager
def chaos_nodes(
    seed: int,
    *,
    prepare: PrepareStore = shared_folder,
    open_store: Callable[[Path], ListedStore] = lambda shared: FileStore(shared / "blobs"),
) -> Iterator[NodesChaos]:
    """A run on a database of its own, and on the store that *prepare* gives to each node and *open_store* opens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-chaos-")))
        postgres = stack.enter_context(postgres_server())
        url = stack.enter_context(postgres.migrated())
        nodes = stack.enter_context(nodes_on(url, folder, NODES, prepare=prepare, **SETTINGS))
        yield NodesChaos(AnyNode(nodes), postgres, url, seed, lambda: open_store(folder))


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos_nodes", description=__doc__)
    parser.add_argument("--events", type=int, default=500, help="kills, stops, crashes and disconnects (500)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = parser.parse_args()
    begun = time.monotonic()
    with chaos_nodes(given.seed) as run:
        found = run.run(given.events)
    counts = ", ".join(f"{name}: {count}" for name, count in sorted(run.counts.items()))
    print(f"seed {given.seed}, {time.monotonic() - begun:.0f} s: {counts}; longest wait {run.longest_wait_s:.1f} s")
    print("\n".join(f"  BROKEN: {what}" for what in found) or "  every promise is kept", flush=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
