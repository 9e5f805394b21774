"""Several nodes as if they were one server: each request goes to one of them that runs, at random.

All tests of uploads run on them with ``STILLAGE_NODES=2`` (`make test-nodes`).
"""

import random
from collections.abc import Sequence
from typing import Any

from node_stores import NodeStore, SharedFolder
from nodes import start_together
from server import Server


class AnyNode(Server):
    """Starting, stopping and killing it does that to all nodes."""

    def __init__(self, nodes: Sequence[Server], store: NodeStore) -> None:
        """*store*: of the nodes."""
        self.nodes = nodes
        self.store = store
        settings: dict[str, Any] = nodes[0].settings
        super().__init__(nodes[0].data_folder, **settings)
        self.settings_file, self.credentials = nodes[0].settings_file, nodes[0].credentials

    @property
    def alive(self) -> list[Server]:
        return [node for node in self.nodes if node.is_running]

    @property
    def address(self) -> tuple[str, int]:
        return random.choice(self.alive or self.nodes).address

    def start(self) -> "AnyNode":
        first = start_together(self.nodes)
        self.use_tokens_of(first)
        self.url, self.data_folder = first.url, first.data_folder
        return self

    def restart(self) -> None:
        for node in self.nodes:
            node.restart() if node.is_running else node.start()

    def kill(self) -> None:
        for node in self.alive:
            node.kill()

    def stop(self) -> int:
        return max([node.stop() for node in self.alive], default=0)

    def blobs(self) -> set[str]:
        return set(self.store.names())

    def open_blobs(self, pid: int | None = None) -> set[str]:
        pids = self.workers if pid is None else [pid]
        return {name for each in pids for name in super(AnyNode, self).open_blobs(each)}

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    @property
    def log(self) -> str:
        return "".join(node.log for node in self.nodes)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Of all nodes, as they happened."""
        return sorted(
            (event for node in self.nodes for event in node.events), key=lambda event: str(event["timestamp"])
        )

    @property
    def output(self) -> str:
        return "".join(node.output for node in self.nodes)

    @property
    def run(self) -> Any:
        return self.nodes[0].run

    @property
    def workers(self) -> list[int]:
        return [node.pid for node in self.alive]


def store_of(server: Server) -> NodeStore:
    """Return where *server* keeps its bytes, to look at it from outside."""
    return server.store if isinstance(server, AnyNode) else SharedFolder(server.data_folder)
