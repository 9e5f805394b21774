"""Servers that are killed, stopped, or started twice."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from aftermath import a_second_upload_succeeds, begin, holds, nothing_is_left_of_it, received_bytes
from rude import CHUNKED, WITH_LENGTH, Body, Rude, request
from server import MIB, Hindered, MakeServer, Server, eventually, is_alive
from workers import await_another, every_worker_answers, kill_worker, worker_with_upload

DIED = "the server that received the data stopped"
DATA = os.urandom(3 * MIB)
# Each names a moment of `hindered.MOMENTS`, in the order in which an upload meets them.
WHILE_THE_UPLOAD_HAS_THE_IMAGE = [
    "when the image is claimed",
    "before the first block is written",
    "after the first block is written",
    "before the verdict",
    "after the verdict",
    "before the bytes are durable",
    "when the bytes have no name yet",
    "when the bytes have their name",
    "before the image is active",
    "in the last transaction",
]


@pytest.fixture
def server(shared_server: MakeServer) -> Hindered:
    """One that is killed again and again; each time it starts on the same data."""
    made = shared_server(hindered=True)
    assert isinstance(made, Hindered)
    if made.run.has_ended:  # a test has failed in the middle
        made.go_on()
        made.start()
    return made


@pytest.fixture
def own_hindered(tmp_path: Path) -> Iterator[Callable[..., Hindered]]:
    """``own_hindered(workers=2)``: one of this test's own, not started yet."""
    with ExitStack() as stack:

        def make(**arguments: object) -> Hindered:
            made = Hindered(tmp_path / "home", **arguments)
            stack.callback(made.close)
            return made

        yield make


@contextmanager
def killed(server: Server, image_id: str, because: str | None) -> Iterator[None]:
    """Check, after the block has killed the server, that it starts again and nothing of the upload is left."""
    stored = server.blobs()
    yield
    server.start()
    nothing_is_left_of_it(server, image_id, because, stored)


@pytest.mark.parametrize("moment", WHILE_THE_UPLOAD_HAS_THE_IMAGE)
def test_a_server_killed_during_an_upload_has_the_image_queued_when_it_returns(server: Hindered, moment: str) -> None:
    used = server.api("GET", "/v2/info/usage").json
    image_id = server.create()
    server.stop_at(moment)
    with killed(server, image_id, DIED), begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send_as_far_as_taken(DATA)
        server.kill_there()
    assert server.api("GET", "/v2/info/usage").json == used, "what it had reserved is given back"


@pytest.mark.parametrize("moment", ["after the first block is written", "before the image is active"])
def test_a_killed_server_leaves_no_part_of_a_file_where_every_file_has_a_name(server: Hindered, moment: str) -> None:
    image_id = server.create()
    stored = server.blobs()
    server.stop_at(moment, named_files=True)
    with killed(server, image_id, DIED), begin(server, image_id, CHUNKED, 0) as client:
        client.send_as_far_as_taken(CHUNKED.framed(DATA) + CHUNKED.end)
        server.kill_there()
        assert len(server.blobs() - stored) == 1, "what the next start has to remove is there"


@pytest.mark.parametrize(
    ("sent", "body"), [(0, WITH_LENGTH), (1, CHUNKED), (2 * MIB, WITH_LENGTH), (len(DATA) - 1, CHUNKED)], ids=repr
)
def test_a_server_killed_while_bytes_come_in_has_the_image_queued_when_it_returns(
    server: Hindered, body: Body, sent: int
) -> None:
    image_id = server.create()
    before = received_bytes(server)
    with killed(server, image_id, DIED), begin(server, image_id, body, len(DATA)) as client:
        server.await_status(image_id, "saving")
        if sent:
            client.send(body.framed(DATA[:sent]))
        eventually(lambda: received_bytes(server) - before == sent, "everything has arrived")
        server.kill()


def test_a_server_killed_before_the_image_was_claimed_has_it_untouched(server: Hindered) -> None:
    image_id = server.create()
    server.stop_at("in the claim's transaction")
    with killed(server, image_id, None), begin(server, image_id, WITH_LENGTH, len(DATA)):
        server.kill_there()


def test_a_server_killed_between_success_and_answer_has_the_image_active(server: Hindered) -> None:
    image_id = server.create()
    server.stop_at("when the image is active")
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA)
        server.kill_there()
    server.start()
    holds(server, image_id, DATA)
    assert server.upload(image_id, DATA).status == 409


@pytest.mark.parametrize(
    "moment", ["before the clean-up", "in the middle of the clean-up", "before the bytes are removed"]
)
def test_a_server_killed_while_it_cleans_up_finishes_that_when_it_returns(server: Hindered, moment: str) -> None:
    image_id = server.create()
    client = begin(server, image_id, WITH_LENGTH, len(DATA))
    server.await_status(image_id, "saving")
    client.send(DATA[:MIB])
    server.stop_at(moment)
    with killed(server, image_id, "the body ended|stopped"):
        client.close()
        server.kill_there()


# Stopped


def takes_connections(server: Server) -> bool:
    try:
        with Rude(server):
            return True
    except ConnectionError:
        return False


@pytest.mark.one_server
def test_a_stopped_server_finishes_the_uploads_that_run_and_takes_nothing_new(own_server: MakeServer) -> None:
    server = own_server().start()
    image_id, other_id = server.create(), server.create()
    with (
        begin(server, image_id, WITH_LENGTH, len(DATA)) as client,
        begin(server, other_id, CHUNKED, 0) as other,
        Rude(server) as idle,
    ):
        server.await_status(other_id, "saving")
        server.await_status(image_id, "saving")
        server.run.process.send_signal(signal.SIGTERM)
        eventually(lambda: '"stopping"' in server.log, "the server has begun to stop")
        eventually(lambda: not takes_connections(server), "connections are refused")
        client.send(DATA)
        other.send(CHUNKED.framed(DATA), CHUNKED.end)
        for answer in (client.answer(), other.answer()):
            assert answer.status == 204
            assert answer.headers["connection"] == "close"
        assert idle.is_closed_by_server()
    assert server.run.wait() == 0
    server.start()
    holds(server, image_id, DATA)


def test_an_upload_that_outlives_the_grace_time_is_cut_off(own_server: MakeServer) -> None:
    server = own_server(shutdown_grace_s=0.1).start()
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        server.await_status(image_id, "saving")
        client.send(DATA[:MIB])
        assert server.stop() == 0
    server.start()
    nothing_is_left_of_it(server, image_id, "stopped")


# Started twice


def fails_with_one_sentence(server: Server, sentence: str) -> None:
    run = server.launch()
    assert run.wait() == 1
    assert sentence in run.log
    assert len(run.log.strip().splitlines()) == 1, run.log
    assert run.output == ""


def test_a_second_server_on_the_same_folder_says_so(server: Hindered) -> None:
    second = Server(server.data_folder)
    fails_with_one_sentence(
        second, f"stillage: another server is using {server.data_folder}; stop it, or choose another --data"
    )
    assert server.call("GET", "/healthz").status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_server_on_the_same_port_says_so(server: Hindered, own_server: MakeServer, workers: int) -> None:
    listen = f"127.0.0.1:{server.address[1]}"
    second = own_server(arguments=("--listen", listen, "--workers", str(workers)))
    fails_with_one_sentence(second, f"stillage: cannot listen on {listen}: Address already in use")


# Several workers


def test_a_worker_that_is_killed_is_started_again_and_its_upload_ends(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    assert len(before := server.workers) == 2
    for _ in range(8):
        holds(server, server.stored(DATA[:MIB]), DATA[:MIB])
    stored, image_id = server.blobs(), server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        killed = worker_with_upload(server)
        kill_worker(server, killed)
        assert client.rest() == b""
    server.await_status(image_id, "queued")
    assert DIED in server.show(image_id)["os_stillage_reason"]
    await_another(server, killed)
    assert len(set(before) & set(server.workers)) == 1
    assert server.blobs() == stored
    a_second_upload_succeeds(server, image_id)
    assert server.stop() == 0


def test_while_a_worker_is_missing_its_clients_are_the_others(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    before = server.workers
    kill_worker(server, before[0])
    (new,) = eventually(lambda: set(server.workers) - set(before), "another is being started")
    os.kill(new, signal.SIGSTOP)
    try:
        assert every_worker_answers(server), "nobody waits for one that does not serve yet"
    finally:
        os.kill(new, signal.SIGCONT)


def test_a_worker_that_dies_while_the_database_is_away_is_started_again(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    database, away, killed = server.data_folder / "stillage.db", server.data_folder / "away", server.workers[0]
    database.rename(away)
    database.mkdir()
    kill_worker(server, killed)
    eventually(lambda: '"the database does not answer"' in server.log, "the parent has tried to clean up")
    database.rmdir()
    away.rename(database)
    await_another(server, killed)
    holds(server, server.stored(DATA[:MIB]), DATA[:MIB])
    assert server.stop() == 0


def test_a_disk_that_hangs_keeps_no_server_from_ending(own_hindered: Callable[..., Hindered]) -> None:
    server = own_hindered(shutdown_grace_s=0)
    server.start()
    image_id = server.stored(b"bytes")
    server.stop_at("before the bytes are removed")
    with Rude(server) as client:
        client.send(request("DELETE", f"/v2/images/{image_id}", x_auth_token=server.token()))
        eventually(server.has_stopped, "the disk hangs")
        assert server.stop() == 0
    server.go_on()


def test_what_hangs_is_waited_for_no_longer_than_what_had_begun(own_hindered: Callable[..., Hindered]) -> None:
    server = own_hindered(shutdown_grace_s=3600, sweep_interval_s=0.1)
    server.start()
    server.stop_at("in a sweep")
    eventually(server.has_stopped, "the database hangs")
    assert server.stop() == 0
    server.go_on()


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


def test_a_stop_while_a_dead_worker_is_being_replaced_is_not_forgotten(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    kill_worker(server, server.workers[0])
    assert server.stop() == 0
    assert server.log.count('"stopped"') == 1, "nobody was started to be stopped"


def test_workers_end_with_their_parent(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    workers = server.workers
    server.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in workers), "the workers are gone")
    server.start()
    assert server.call("GET", "/readyz").status == 200


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


def test_of_several_workers_each_finishes_its_upload_when_stopped(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    images = [server.create() for _ in range(6)]
    clients = [begin(server, image_id, WITH_LENGTH, len(DATA)) for image_id in images]
    for image_id in images:
        server.await_status(image_id, "saving")
    server.run.process.send_signal(signal.SIGTERM)
    for client in clients:
        client.send(DATA)
    assert {client.answer().status for client in clients} == {204}
    for client in clients:
        client.close()
    assert server.run.wait() == 0
    server.start()
    for image_id in images:
        holds(server, image_id, DATA)


# Replaced while they serve


def test_a_hangup_replaces_the_workers_and_no_upload_and_no_request_is_lost(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    before = server.workers
    images = [server.create() for _ in range(6)]
    clients = [begin(server, image_id, WITH_LENGTH, len(DATA)) for image_id in images]
    for image_id in images:
        server.await_status(image_id, "saving")
    server.run.process.send_signal(signal.SIGHUP)
    answers = 0
    while '"all workers were replaced"' not in server.log:
        assert server.call("GET", "/readyz").status == 200
        answers += 1
    assert answers
    for client in clients:
        client.send(DATA)
    assert {client.answer().status for client in clients} == {204}
    for client in clients:
        client.close()
    eventually(lambda: len(server.workers) == 2, "the old workers have ended")
    assert not set(before) & set(server.workers)
    for image_id in images:
        holds(server, image_id, DATA)
    assert server.stop() == 0


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


def test_a_new_worker_that_is_killed_before_it_serves_is_started_again(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    before = set(server.workers)
    server.run.process.send_signal(signal.SIGHUP)
    (new,) = eventually(lambda: set(server.workers) - before, "a new worker is started")
    os.kill(new, signal.SIGKILL)
    eventually(lambda: '"all workers were replaced"' in server.log, "all of them are replaced")
    assert "failed to start" not in server.log
    assert server.stop() == 0


def test_a_hangup_of_workers_alone_changes_nothing(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    image_id, before = server.create(), server.workers
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        worker_with_upload(server)
        for pid in before:
            os.kill(pid, signal.SIGHUP)
        eventually(lambda: every_worker_answers(server), "both of them serve")
        client.send(DATA[MIB:])
        assert client.answer().status == 204
    assert server.workers == before


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
