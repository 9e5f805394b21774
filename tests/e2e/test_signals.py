"""What a server does when it is asked to stop from a terminal, and when its certificate was renewed."""

import signal
import socket
import ssl
from pathlib import Path

import pytest

from aftermath import begin
from rude import WITH_LENGTH
from server import MIB, MakeServer, eventually
from stillage.cli.server import certificate

pytestmark = pytest.mark.one_server
DATA = bytes(MIB)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_ctrl_c_says_what_it_waits_for_and_the_second_one_ends_it(own_server: MakeServer, workers: int) -> None:
    server = own_server(arguments=("--workers", str(workers)), shutdown_grace_s=3600).start()
    image_id = server.create()
    client = begin(server, image_id, WITH_LENGTH, len(DATA))
    server.await_status(image_id, "saving")
    server.run.process.send_signal(signal.SIGINT)
    eventually(
        lambda: any(event.get("uploads") == 1 for event in server.events), "the server says that it waits for an upload"
    )
    assert not server.run.has_ended
    server.run.process.send_signal(signal.SIGINT)
    assert server.run.wait() == 0
    client.close()


def test_a_single_process_gives_new_connections_the_renewed_certificate(own_server: MakeServer, tmp_path: Path) -> None:
    names, (old, new) = ["127.0.0.1"], (tmp_path / "old", tmp_path / "new")
    used, other = certificate.ensure(old, names), certificate.ensure(new, names)
    server = own_server(tls=True, tls_certificate=used.chain, tls_key=used.key).start()

    def trusts(authority: Path) -> bool:
        trust = ssl.create_default_context(cafile=authority)
        with socket.create_connection(server.address) as plain:
            try:
                trust.wrap_socket(plain, server_hostname="127.0.0.1").close()
            except ssl.SSLCertVerificationError:
                return False
        return True

    assert trusts(used.authority)
    used.chain.write_text("no certificate")
    server.run.process.send_signal(signal.SIGHUP)
    eventually(lambda: "cannot use the new certificate" in server.log, "the server says that it keeps the old one")
    assert trusts(used.authority)
    for path, renewed in ((used.chain, other.chain), (used.key, other.key)):
        path.write_bytes(renewed.read_bytes())
    server.run.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the certificate was read again" in server.log, "the server has read it")
    assert trusts(other.authority)
    assert not trusts(used.authority)
