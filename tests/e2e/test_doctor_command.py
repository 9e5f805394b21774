"""`stillage doctor` against a real server, directly, and against none."""

import socket
from pathlib import Path

import pytest

from clients import Shells
from sending import Person
from server import MakeServer, Server


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server(tls=True)


def test_a_server_without_a_proxy_is_in_good_health(server: Server, shells: Shells, tmp_path: Path) -> None:
    done = Person.of(server, tmp_path, shells).run("doctor", "--json", "--wait", "60")
    [view] = done.views
    assert (done.status, view["status"], view["url"]) == (0, 0, server.url), view
    assert {finding["check"]: finding["result"] for finding in view["findings"]} == dict.fromkeys(
        (
            "address", "certificate", "service", "proxy", "clock", "login", "body_limit", "buffering", "expect",
            "early_answer", "upload", "upload_idle", "range", "etag", "compression", "chunked_upload", "early_refusal",
        ),
        "good",
    )  # fmt: skip
    assert server.api("GET", "/v2/images?name=stillage-doctor").json["images"] == []


def test_a_url_is_examined_without_credentials_and_a_certificate_of_nobody_is_a_problem(
    server: Server, shells: Shells, tmp_path: Path
) -> None:
    done = Person(tmp_path, shells).run("doctor", server.url, "--wait", "60")
    assert done.status == 1
    assert "ssl_certificate FILE;  # the whole chain" in done.out
    assert "unknown" in done.out
    trusting = Person(tmp_path, shells, {"OS_CACERT": str(server.data_folder / "tls" / "ca.pem")})
    assert trusting.run("doctor", server.url, "--wait", "60").status == 0


def test_no_network_is_one_sentence_and_a_status_of_its_own(shells: Shells, tmp_path: Path) -> None:
    person = Person(tmp_path, shells)
    with socket.socket() as unused:  # bound, and nobody listens
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = person.run("doctor", url)
        assert (done.status, done.out) == (4, "")
        assert done.error.count("\n") == 1
        [view] = person.run("doctor", url, "--json").views
    assert (view["status"], view["code"]) == (4, "network_gave_up")
    assert "does not accept connections" in view["error"]


def test_a_wrong_url_or_cloud_is_a_sentence(shells: Shells, tmp_path: Path) -> None:
    for words in (("ftp://x",), ("--os-cloud", "nowhere"), ()):
        done = Person(tmp_path, shells).run("doctor", *words)
        assert (done.status, done.out) == (2, "")
        [view] = Person(tmp_path, shells).run("doctor", *words, "--json").views
        assert (view["status"], view["code"], view["findings"]) == (2, "invalid_cloud", [])
