"""Servers that are killed, stopped, or started twice."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aftermath import a_second_upload_succeeds, begin, holds, nothing_is_left_of_it, received_bytes, upload_head
from rude import CHUNKED, WITH_LENGTH, Body, Rude
from server import MIB, MakeServer, Server, eventually

HINDERED = Path(__file__).parents[1] / "hindered.py"
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
def hindered(own_server: MakeServer, tmp_path: Path) -> Callable[..., Server]:
    """``hindered("before the verdict")``: a running server that stops at that moment."""

    def start(*moments: str) -> Server:
        command = (sys.executable, str(HINDERED), ", ".join(moments), str(tmp_path))
        return own_server(command=command).start()

    return start


def kill_when_reached(server: Server, folder: Path) -> None:
    eventually((folder / "reached").exists, "the server reaches the moment")
    server.kill()


def start_again_unhindered(server: Server, folder: Path) -> None:
    (folder / "go").touch()
    server.start()


@pytest.mark.parametrize("moment", WHILE_THE_UPLOAD_HAS_THE_IMAGE)
def test_a_server_killed_during_an_upload_has_the_image_queued_when_it_returns(
    hindered: Callable[..., Server], tmp_path: Path, moment: str
) -> None:
    server = hindered(moment)
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send_as_far_as_taken(DATA)
        kill_when_reached(server, tmp_path)
    start_again_unhindered(server, tmp_path)
    nothing_is_left_of_it(server, image_id, DIED)


@pytest.mark.parametrize("moment", ["after the first block is written", "before the image is active"])
def test_a_killed_server_leaves_no_part_of_a_file_where_every_file_has_a_name(
    hindered: Callable[..., Server], tmp_path: Path, moment: str
) -> None:
    server = hindered("without nameless files", moment)
    image_id = server.create()
    with begin(server, image_id, CHUNKED, 0) as client:
        client.send_as_far_as_taken(CHUNKED.framed(DATA) + CHUNKED.end)
        kill_when_reached(server, tmp_path)
    assert len(server.blobs()) == 1, "what the next start has to remove is there"
    start_again_unhindered(server, tmp_path)
    nothing_is_left_of_it(server, image_id, DIED)


@pytest.mark.parametrize("sent", [0, 1, 2 * MIB, len(DATA) - 1], ids=str)
def test_a_server_killed_while_bytes_come_in_has_the_image_queued_when_it_returns(
    own_server: MakeServer, body: Body, sent: int
) -> None:
    server = own_server().start()
    image_id = server.create()
    with begin(server, image_id, body, len(DATA)) as client:
        server.await_status(image_id, "saving")
        if sent:
            client.send(body.framed(DATA[:sent]))
        eventually(lambda: received_bytes(server) == sent, "everything has arrived")
        server.kill()
    server.start()
    nothing_is_left_of_it(server, image_id, DIED)


def test_a_server_killed_before_the_image_was_claimed_has_it_untouched(
    hindered: Callable[..., Server], tmp_path: Path
) -> None:
    server = hindered("in the claim's transaction")
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)):
        kill_when_reached(server, tmp_path)
    start_again_unhindered(server, tmp_path)
    nothing_is_left_of_it(server, image_id, None)


def test_a_server_killed_between_success_and_answer_has_the_image_active(
    hindered: Callable[..., Server], tmp_path: Path
) -> None:
    server = hindered("when the image is active")
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA)
        kill_when_reached(server, tmp_path)
    start_again_unhindered(server, tmp_path)
    holds(server, image_id, DATA)
    assert server.upload(image_id, DATA).status == 409


@pytest.mark.parametrize(
    "moment", ["before the clean-up", "in the middle of the clean-up", "before the bytes are removed"]
)
def test_a_server_killed_while_it_cleans_up_finishes_that_when_it_returns(
    hindered: Callable[..., Server], tmp_path: Path, moment: str
) -> None:
    server = hindered("without nameless files", moment)
    image_id = server.create()
    client = begin(server, image_id, WITH_LENGTH, len(DATA))
    server.await_status(image_id, "saving")
    client.send(DATA[:MIB])
    client.close()
    kill_when_reached(server, tmp_path)
    start_again_unhindered(server, tmp_path)
    nothing_is_left_of_it(server, image_id, "the body ended|stopped")


# Stopped


def test_a_stopped_server_finishes_the_upload_that_runs(own_server: MakeServer, body: Body) -> None:
    server = own_server().start()
    image_id = server.create()
    with begin(server, image_id, body, len(DATA)) as client, Rude(server) as idle:
        server.await_status(image_id, "saving")
        server.run.process.send_signal(signal.SIGTERM)
        eventually(lambda: '"stopping"' in server.log, "the server has begun to stop")
        client.send(body.framed(DATA), body.end)
        answer = client.answer()
        assert answer.status == 204
        assert answer.headers["connection"] == "close"
        assert idle.is_closed_by_server()
    assert server.run.wait() == 0
    server.start()
    holds(server, image_id, DATA)


def test_a_stopping_server_takes_nothing_new(own_server: MakeServer) -> None:
    server = own_server().start()
    image_id = server.create()
    with begin(server, image_id, WITH_LENGTH, 5) as client:
        server.await_status(image_id, "saving")
        server.run.process.send_signal(signal.SIGTERM)
        eventually(lambda: '"stopping"' in server.log, "the server has begun to stop")
        with pytest.raises(ConnectionError):
            eventually(lambda: not Rude(server), "connections are refused")
        client.send(b"image")
        assert client.answer().status == 204
    assert server.run.wait() == 0


def test_an_upload_that_outlives_the_grace_time_is_cut_off(own_server: MakeServer, body: Body) -> None:
    server = own_server(shutdown_grace_s=0.1).start()
    image_id = server.create()
    with begin(server, image_id, body, len(DATA)) as client:
        server.await_status(image_id, "saving")
        client.send(body.framed(DATA[:MIB]))
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


def test_a_second_server_on_the_same_folder_says_so(own_server: MakeServer) -> None:
    server = own_server().start()
    second = Server(server.home)
    fails_with_one_sentence(
        second, f"stillage: another server runs on {server.home}; stop it, or choose another --data"
    )
    assert server.call("GET", "/healthz").status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_server_on_the_same_port_says_so(own_server: MakeServer, workers: int) -> None:
    server = own_server().start()
    listen = f"127.0.0.1:{server.address[1]}"
    second = own_server(arguments=("--listen", listen, "--workers", str(workers)))
    fails_with_one_sentence(second, f"stillage: cannot listen on {listen}: Address already in use")


# Several workers


def workers_of(server: Server) -> list[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"multiprocessing.spawn" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def worker_with_upload(server: Server) -> int:
    """The worker that has a file of the blob folder open."""

    def ask() -> int | None:
        return next((pid for pid in workers_of(server) if server.open_blobs(pid)), None)

    pid = eventually(ask, "a worker receives an upload")
    assert pid
    return pid


def test_a_worker_that_is_killed_is_started_again_and_its_upload_ends(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    assert len(before := workers_of(server)) == 2
    for _ in range(8):
        holds(server, server.stored(DATA[:MIB]), DATA[:MIB])
    stored, image_id = server.blobs(), server.create()
    with begin(server, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        killed = worker_with_upload(server)
        os.kill(killed, signal.SIGKILL)
        assert client.rest() == b""
    server.await_status(image_id, "queued")
    assert DIED in server.show(image_id)["os_stillage_reason"]
    eventually(lambda: len(workers_of(server)) == 2 and killed not in workers_of(server), "there are two workers again")
    assert len(set(before) & set(workers_of(server))) == 1
    assert server.blobs() == stored
    a_second_upload_succeeds(server, image_id)
    assert server.stop() == 0


def test_workers_end_with_their_parent(own_server: MakeServer) -> None:
    server = own_server(arguments=("--workers", "2")).start()
    workers = workers_of(server)
    server.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in workers), "the workers are gone")
    server.start()
    assert server.call("GET", "/readyz").status == 200


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
