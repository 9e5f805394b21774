"""Several real nodes: `stillage serve` processes with a data folder each, on one PostgreSQL and one store.

What the store is, is a parameter (`node_stores`), so that the same tests run on each kind that nodes can share.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node_stores import NodeStore, SharedFolder
from server import Server, free_port

SECRET = "secret.key"


@contextmanager
def nodes_on(
    database_url: str,
    folder: Path,
    count: int,
    *,
    store: NodeStore | None = None,
    **settings: Any,
) -> Iterator[Sequence[Server]]:
    """Yield *count* nodes that are not started; all of them are ended afterwards.

    *store*: where all of them keep their bytes; by default in a folder.
    """
    (folder / SECRET).write_bytes(bytes(range(32)))
    settings |= {"database_url": database_url, "secret_key": folder / SECRET}
    listens = [("--listen", f"127.0.0.1:{free_port()}") for _ in range(count)]
    nodes = [Server(folder / f"node{number}", arguments=listen, **settings) for number, listen in enumerate(listens)]
    for node in nodes:
        (store or SharedFolder(folder)).prepare(node)
    try:
        yield nodes
    finally:
        for node in nodes:
            node.close()


def start_together(nodes: Sequence[Server]) -> Server:
    """Start all at once, and return the one that knows the passwords; tokens that it gives are used with all."""
    with ThreadPoolExecutor(len(nodes)) as threads:
        list(threads.map(Server.start, nodes))
    first = next(node for node in nodes if "stillage" in node.clouds)
    for node in nodes:
        node.use_tokens_of(first)
    return first
