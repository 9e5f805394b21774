"""A server that was killed, its workers, and the next start on the same folder and port."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from asked_for import lines_not_asked_for
from postgres import PostgresServer
from proc_files import is_alive
from server import MakeServer, Server, eventually, free_port

pytestmark = pytest.mark.thorough

MakeStable = Callable[[int], Server]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The setting for a database of this test's own."""
    if request.param == "sqlite":
        yield {}
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.migrated() as url:
        yield {"database_url": url}


@pytest.fixture
def stable(own_server: MakeServer, database: dict[str, str]) -> MakeStable:
    """``stable(2)``: a running server with so many workers, always at the same address."""

    def make(workers: int) -> Server:
        arguments = ("--listen", f"127.0.0.1:{free_port()}", "--workers", str(workers))
        return own_server(arguments=arguments, **database).start()

    return make


@contextmanager
def ended_at_last(pids: list[int]) -> Iterator[None]:
    """Leave none of *pids* behind, whatever fails."""
    try:
        yield
    finally:
        for pid in filter(is_alive, pids):
            os.kill(pid, signal.SIGKILL)


def serves_alone(server: Server, old: list[int]) -> None:
    """Check that nobody of before is left beside *server*."""
    assert server.call("GET", "/readyz").status == 200
    assert not [pid for pid in old if is_alive(pid)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_server_leaves_port_and_folder_to_the_next(stable: MakeStable, workers: int) -> None:
    server = stable(workers)
    old = [server.pid, *server.workers]
    server.run.process.send_signal(signal.SIGKILL)  # and nobody waits until it is gone
    server.start()
    serves_alone(server, old)


def test_workers_that_are_stopped_end_with_their_parent(stable: MakeStable) -> None:
    server = stable(2)
    old = server.workers
    with ended_at_last(old):
        for pid in old:
            os.kill(pid, signal.SIGSTOP)
        server.run.process.send_signal(signal.SIGKILL)
        server.start()
        serves_alone(server, old)


def test_a_worker_that_was_stopped_as_it_began_holds_nothing_and_is_ended(own_server: MakeServer) -> None:
    server = own_server(arguments=("--listen", f"127.0.0.1:{free_port()}", "--workers", "2"))
    run = server.launch()
    early = eventually(lambda: server.workers, "a worker is being started")
    with ended_at_last(early):
        for pid in early:
            os.kill(pid, signal.SIGSTOP)
        recorded = server.data_folder / "processes"
        eventually(lambda: all(str(pid) in recorded.read_text() for pid in early), "the parent has recorded them")
        run.process.send_signal(signal.SIGKILL)
        eventually(lambda: run.process.poll() is not None, "the parent is gone")
        assert all(map(is_alive, early)), "they have not begun enough to know of their parent"
        server.start()
        serves_alone(server, early)
    told = [event for event in server.events if "workers of an earlier server" in event["event"]]
    # Whoever was started after that was not stopped, and ends by itself.
    waited_for, ended = (set(event["pids"]) for event in told)
    assert waited_for >= set(early) == ended


def test_a_killed_server_whose_database_is_away_leaves_port_and_folder_to_the_next(
    own_server: MakeServer, postgres: PostgresServer
) -> None:
    with postgres.migrated() as url:
        arguments = ("--listen", f"127.0.0.1:{free_port()}", "--workers", "2")
        server = own_server(arguments=arguments, database_url=url).start()
        old = server.workers
        with ended_at_last(old), postgres.away(url):
            os.kill(old[0], signal.SIGKILL)
            eventually(lambda: "cleaning up after a dead worker failed" in server.log, "the database is missed")
            assert server.call("GET", "/readyz").status == 503
            assert lines_not_asked_for(server.log) == [], "an outage is a reason, and no traceback"
            server.run.process.send_signal(signal.SIGKILL)
            assert (run := server.launch()).wait() == 1
            assert "the database" in run.log
        server.start()
        serves_alone(server, old)
