"""Several nodes as if they were one server: each request goes to one of them that runs, at random."""

import random
from collections.abc import Sequence

from nodes import start_together
from server import Server


class AnyNode(Server):
    """Starting, stopping and killing it does that to all nodes. Their store is the one folder that they share."""

    def __init__(self, nodes: Sequence[Server]) -> None:
        super().__init__(nodes[0].data_folder)
        self.nodes = nodes

    @property
    def alive(self) -> list[Server]:
        return [node for node in self.nodes if node.is_running]

    @property
    def address(self) -> tuple[str, int]:
        return random.choice(self.alive or self.nodes).address

    def start(self) -> "AnyNode":
        start_together(self.nodes)
        self.use_tokens_of(self.nodes[0])
        return self

    def restart(self) -> None:
        for node in self.nodes:
            node.restart() if node.is_running else node.start()

    def kill(self) -> None:
        for node in self.alive:
            node.kill()

    def stop(self) -> int:
        return max([node.stop() for node in self.alive], default=0)

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    @property
    def log(self) -> str:
        return "".join(node.log for node in self.nodes)

    @property
    def workers(self) -> list[int]:
        return [node.pid for node in self.alive]
