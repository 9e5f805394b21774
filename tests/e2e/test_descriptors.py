"""At the limit of open files connections wait, the log says so, and the server says that it is not ready."""

import select
from contextlib import ExitStack

import pytest

from rude import Rude, request
from server import COMMAND, MakeServer, eventually

LIMIT = 128
FEW = ("/bin/sh", "-c", f'ulimit -n {LIMIT}; exec "$0" "$@"', str(COMMAND))
SAID = "the limit of open files is reached; new connections wait"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_connections_wait_and_none_is_reset_when_no_descriptor_is_left(own_server: MakeServer, tls: bool) -> None:
    server = own_server(command=FEW, tls=tls, log_format="json").start()
    image_id = server.stored(b"image")
    ask = request("GET", "/healthz")
    with ExitStack() as stack:
        kept = stack.enter_context(Rude(server))
        kept.send(request("GET", "/readyz"))
        assert kept.answer().status == 200
        server.tls = False  # whoever waits has no handshake yet
        crowd = [stack.enter_context(Rude(server)) for _ in range(2 * LIMIT)]
        server.tls = tls
        for client in crowd if not tls else ():
            client.send(ask[:-2])
        eventually(lambda: SAID in server.log, "the log says that the limit is reached")
        kept.send(request("GET", "/readyz"))
        answer = kept.answer()
        assert (answer.status, answer.json["status"]) == (503, "unavailable")
        assert "open files" in answer.json["server"]
        kept.send(request("GET", f"/v2/images/{image_id}/file", x_auth_token=server.token()))
        assert kept.answer().body == b"image", "what is served already has descriptors left for files"
        assert not select.select([client.socket for client in crowd], [], [], 0)[0], "nobody is closed or reset"
        for client in crowd[:LIMIT]:
            client.close()
        for client in crowd[LIMIT:] if not tls else ():
            client.send(ask[-2:])
            assert client.answer().status == 200
            client.close()  # or the next ones would wait for it
        for client in crowd[LIMIT:]:
            client.close()
        assert eventually(lambda: server.call("GET", "/readyz").status == 200, "the server is ready again")
    assert sum(event["event"] == SAID for event in server.events) == 1
    assert server.stop() == 0
