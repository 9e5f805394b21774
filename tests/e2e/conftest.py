"""Servers that tests share. Each pytest worker has its own; what a test leaves behind must not matter to the next."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import s3_server
from any_node import AnyNode
from clients import Shells
from hindered_server import Hindered
from node_stores import NodeStore, SharedBucket, SharedFolder
from nodes import nodes_on
from rude import CHUNKED, WITH_LENGTH, Body
from server import MIB, MakeServer, Server

NODES = int(os.environ.get("STILLAGE_NODES", "1"))
NODES_STORE = os.environ.get("STILLAGE_NODES_STORE", "files")
OF_ONE_SERVER = ("hindered", "tls", "workers", "arguments", "database_url")
IDLE_S = 1.0
HEADER_S = 1.5
# Small enough to cross, large enough for the bodies of other tests.
STRICT_LIMIT = 96 * MIB


def _made(stack: ExitStack, request: pytest.FixtureRequest, folder: Path, **arguments: Any) -> Server:
    """Return a server that *stack* closes; with ``STILLAGE_NODES=2`` two nodes, of which each request finds one.

    Their store is a folder that they share, or with ``STILLAGE_NODES_STORE=s3`` a bucket.
    A `Hindered`, or one with TLS or with workers of its own, is always one server.
    """
    if NODES > 1 and not any(arguments.get(name) for name in OF_ONE_SERVER):
        arguments.pop("tls", None)
        url = stack.enter_context(request.getfixturevalue("postgres").migrated())
        store: NodeStore = SharedFolder(folder)
        if NODES_STORE == "s3":
            store = SharedBucket(s3_server.settings(), folder)
        return AnyNode(stack.enter_context(nodes_on(url, folder, NODES, store=store, **arguments)), store)
    kind = Hindered if arguments.pop("hindered", False) else Server
    made = kind(folder, **arguments)
    stack.callback(made.close)
    return made


@pytest.fixture(scope="session")
def shared_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """``shared_server(tls=True, idle_timeout_s=1)``: a running server; the same one for the same arguments.

    With ``hindered=True`` it is a `Hindered`.
    """
    if NODES > 1:
        request.getfixturevalue("postgres")  # before the nodes, which end before it
    running: dict[object, Server] = {}
    with ExitStack() as stack:

        def get(**arguments: object) -> Server:
            key = tuple(sorted(arguments.items()))
            if key not in running:
                running[key] = _made(stack, request, tmp_path_factory.mktemp("home"), **arguments).start()
            return running[key]

        yield get


# Nodes have a load balancer for TLS.
PLAIN_OR_TLS = [pytest.param(False, id="plain"), pytest.param(True, id="tls", marks=pytest.mark.one_server)]


@pytest.fixture(params=PLAIN_OR_TLS)
def server(request: pytest.FixtureRequest, shared_server: MakeServer) -> Server:
    """With default settings; the test runs with plain HTTP and with TLS."""
    return shared_server(tls=request.param)


@pytest.fixture(params=PLAIN_OR_TLS)
def strict_server(request: pytest.FixtureRequest, shared_server: MakeServer) -> Server:
    """Has short time limits (`IDLE_S`, `HEADER_S`) and takes no image beyond `STRICT_LIMIT`."""
    return shared_server(
        tls=request.param, idle_timeout_s=IDLE_S, header_timeout_s=HEADER_S, max_image_bytes=STRICT_LIMIT
    )


@pytest.fixture(params=[WITH_LENGTH, CHUNKED], ids=repr)
def body(request: pytest.FixtureRequest) -> Body:
    """The two ways to send a body."""
    made: Body = request.param
    return made


@pytest.fixture
def own_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """``own_server(tls=True, workers=2)``: a server of this test's own, not started yet."""
    with ExitStack() as stack:

        def make(**arguments: object) -> Server:
            return _made(stack, request, tmp_path_factory.mktemp("home"), **arguments)

        yield make


@pytest.fixture
def own_hindered(tmp_path: Path) -> Iterator[Callable[..., Hindered]]:
    """``own_hindered(workers=2)``: one of this test's own, not started yet."""
    with ExitStack() as stack:

        def make(**arguments: object) -> Hindered:
            made = Hindered(tmp_path / "home", **arguments)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="session")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    """Runs our own command without importing it anew for each."""
    made = Shells(tmp_path_factory.mktemp("shells"))
    yield made
    made.close()
