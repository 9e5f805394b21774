"""Several workers: those that die are started again, and SIGHUP replaces them while they serve."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from aftermath import a_second_upload_succeeds, begin, holds
from hindered_server import Hindered
from proc_files import is_alive
from rude import WITH_LENGTH
from server import MIB, MakeServer, Server, eventually
from workers import (
    await_another,
    await_event,
    await_listening,
    every_worker_answers,
    kill_worker,
    worker_with_upload,
)

DIED = "the server that received the data stopped"
REPLACED = "all workers were replaced"
DATA = os.urandom(3 * MIB)


@pytest.fixture
def pair(shared_server: MakeServer) -> Server:
    """A server with two workers that serve. Tests kill, replace and stop them."""
    server = shared_server(workers=2)
    if server.run.has_ended:
        server.start()
    await_listening(server, 2)
    return server


def test_a_worker_that_is_killed_is_started_again_and_its_upload_ends(pair: Server) -> None:
    before = pair.workers
    for _ in range(8):
        holds(pair, pair.stored(DATA[:MIB]), DATA[:MIB])
    stored, image_id = pair.blobs(), pair.create()
    with begin(pair, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        killed = worker_with_upload(pair)
        kill_worker(pair, killed)
        assert client.rest() == b""
    pair.await_status(image_id, "queued")
    assert DIED in pair.show(image_id)["os_stillage_reason"]
    await_another(pair, killed)
    assert len(set(before) & set(pair.workers)) == 1
    assert pair.blobs() <= stored
    a_second_upload_succeeds(pair, image_id)


def test_while_a_worker_is_missing_its_clients_are_the_others(pair: Server) -> None:
    before = pair.workers
    kill_worker(pair, before[0])
    (new,) = eventually(lambda: set(pair.workers) - set(before), "another is being started")
    os.kill(new, signal.SIGSTOP)
    try:
        assert every_worker_answers(pair), "nobody waits for one that does not serve yet"
    finally:
        os.kill(new, signal.SIGCONT)


def test_a_worker_that_dies_while_the_database_is_away_is_started_again(pair: Server) -> None:
    known = len(pair.events)
    database, away, killed = pair.data_folder / "stillage.db", pair.data_folder / "away", pair.workers[0]
    database.rename(away)
    database.mkdir()
    kill_worker(pair, killed)
    await_event(pair, "cleaning up after a dead worker failed", known)
    database.rmdir()
    away.rename(database)
    await_another(pair, killed)
    holds(pair, pair.stored(DATA[:MIB]), DATA[:MIB])


def test_a_database_that_hangs_keeps_no_parent_from_ending(own_hindered: Callable[..., Hindered]) -> None:
    server = own_hindered(workers=2)
    server.start()
    server.stop_at("when pieces of a dead worker have ended")
    kill_worker(server, server.workers[0])
    eventually(server.has_stopped, "the parent cleans up")
    assert server.stop() == 0
    server.go_on()


def test_a_disk_that_hangs_keeps_no_dead_worker_from_being_replaced(own_hindered: Callable[..., Hindered]) -> None:
    server = own_hindered(workers=2)
    server.start()
    server.stop_at("before the bytes are removed")  # in the parent: its workers are not hindered
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, 5 * MIB) as client:
        client.send(os.urandom(3 * MIB))
        killed = worker_with_upload(server)
        kill_worker(server, killed)
    await_another(server, killed)
    assert server.await_status(image_id, "queued")["os_stillage_reason"]


def test_a_stop_while_a_dead_worker_is_being_replaced_is_not_forgotten(pair: Server) -> None:
    known = len(pair.events)
    kill_worker(pair, pair.workers[0])
    assert pair.stop() == 0
    stopped = [event for event in pair.events[known:] if event["event"] == "stopped"]
    assert len(stopped) == 1, "nobody was started to be stopped"


def test_workers_end_with_their_parent(pair: Server) -> None:
    workers = pair.workers
    pair.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in workers), "the workers are gone")
    pair.start()
    assert pair.call("GET", "/readyz").status == 200


def test_a_worker_whose_parent_dies_before_it_has_begun_does_not_begin(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2"))
    run = server.launch()
    early = eventually(lambda: server.workers, "a worker is being started")
    for pid in early:
        os.kill(pid, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: run.process.poll() is not None, "the parent is gone")
    for pid in early:
        os.kill(pid, signal.SIGCONT)
    try:
        eventually(lambda: not any(is_alive(pid) for pid in early), "it has ended by itself")
    finally:
        for pid in filter(is_alive, early):
            os.kill(pid, signal.SIGKILL)


def test_of_several_workers_each_finishes_its_upload_when_stopped(pair: Server) -> None:
    images = [pair.create() for _ in range(6)]
    clients = [begin(pair, image_id, WITH_LENGTH, len(DATA)) for image_id in images]
    for image_id in images:
        pair.await_status(image_id, "saving")
    pair.run.process.send_signal(signal.SIGTERM)
    for client in clients:
        client.send(DATA)
    assert {client.answer().status for client in clients} == {204}
    for client in clients:
        client.close()
    assert pair.run.wait() == 0
    pair.start()
    for image_id in images:
        holds(pair, image_id, DATA)


def test_a_hangup_replaces_the_workers_and_no_upload_and_no_request_is_lost(pair: Server) -> None:
    known, before = len(pair.events), pair.workers
    images = [pair.create() for _ in range(6)]
    clients = [begin(pair, image_id, WITH_LENGTH, len(DATA)) for image_id in images]
    for image_id in images:
        pair.await_status(image_id, "saving")
    pair.run.process.send_signal(signal.SIGHUP)
    while pair.call("GET", "/readyz").status == 200:
        if any(event["event"] == REPLACED for event in pair.events[known:]):
            break
    else:
        pytest.fail("no worker is ready")
    for client in clients:
        client.send(DATA)
    assert {client.answer().status for client in clients} == {204}
    for client in clients:
        client.close()
    eventually(lambda: len(pair.workers) == 2, "the old workers have ended")
    assert not set(before) & set(pair.workers)
    for image_id in images:
        holds(pair, image_id, DATA)


def test_a_stop_during_a_replacement_hurries_the_old_workers(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2"), shutdown_grace_s=0.2).start()
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        server.await_status(image_id, "saving")
        server.run.process.send_signal(signal.SIGHUP)
        eventually(lambda: '"all workers were replaced"' in server.log, "new workers serve")
        assert server.stop() == 0
    server.start()
    assert server.show(image_id)["status"] == "queued"


def test_after_a_restart_in_vain_the_workers_are_those_of_before(own_server: MakeServer, tmp_path: Path) -> None:
    settings, policy = tmp_path / "stillage.toml", tmp_path / "policy.yaml"
    settings.touch()
    policy.write_text("[")
    server = own_server(arguments=("--workers", "2", "--config", str(settings))).start()
    settings.write_text(f'policy_file = "{policy}"')
    server.run.process.send_signal(signal.SIGHUP)
    eventually(lambda: "a new worker failed to start" in server.log, "the parent gives it up")
    killed = server.workers[0]
    kill_worker(server, killed)
    await_another(server, killed)
    eventually(lambda: every_worker_answers(server), "both of them serve")
    assert server.stop() == 0


def test_a_new_worker_that_is_killed_before_it_serves_is_started_again(pair: Server) -> None:
    known, before = len(pair.events), set(pair.workers)
    pair.run.process.send_signal(signal.SIGHUP)
    new, *_ = eventually(lambda: set(pair.workers) - before, "a new worker is started")
    os.kill(new, signal.SIGKILL)
    await_event(pair, REPLACED, known)
    assert not any("failed to start" in event["event"] for event in pair.events[known:])


def test_a_hangup_of_workers_alone_changes_nothing(pair: Server) -> None:
    image_id, before = pair.create(), pair.workers
    with begin(pair, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        worker_with_upload(pair)
        for pid in before:
            os.kill(pid, signal.SIGHUP)
        eventually(lambda: every_worker_answers(pair), "both of them serve")
        client.send(DATA[MIB:])
        assert client.answer().status == 204
    assert pair.workers == before


def test_a_hangup_does_not_end_workers_that_start(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2"))
    run = server.launch()
    begun = eventually(lambda: server.workers, "a worker is started")
    for pid in begun:
        os.kill(pid, signal.SIGHUP)
    eventually(lambda: run.has_ended or "Stillage is ready at" in run.output, "it is ready or has ended")
    assert set(begun) <= set(server.workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hangup_during_the_start_does_not_end_it(own_server: MakeServer, workers: int) -> None:
    server = own_server(arguments=("--workers", str(workers)))
    run = server.launch()
    eventually((server.data_folder / "lock").exists, "it has begun to start")
    run.process.send_signal(signal.SIGHUP)
    eventually(lambda: run.has_ended or "Stillage is ready at" in run.output, "it is ready or has ended")
    assert not run.has_ended
    assert server.stop() == 0


def test_a_single_process_says_that_it_cannot_replace_itself_and_goes_on(own_server: MakeServer) -> None:
    server = own_server().start()
    server.run.process.send_signal(signal.SIGHUP)
    eventually(lambda: "needs --workers 2 or more" in server.log, "it says so")
    assert server.call("GET", "/readyz").status == 200
