"""Servers that are killed, stopped, or started twice."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aftermath import begin, holds, nothing_is_left_of_it, received_bytes
from hindered_server import Hindered
from rude import CHUNKED, WITH_LENGTH, Body, Rude, request
from server import MIB, MakeServer, Server, eventually

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
