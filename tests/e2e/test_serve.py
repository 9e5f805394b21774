"""What `stillage serve` makes, says and writes."""

import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from aftermath import holds
from live_folder import found_below
from rude import Rude, request
from running import TIMEOUT_S
from server import MIB, READY, MakeServer, Server, eventually, free_port


@pytest.fixture(scope="module")
def server(shared_server: MakeServer) -> Server:
    return shared_server(tls=True)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def either(request: pytest.FixtureRequest, shared_server: MakeServer) -> Server:
    return shared_server(tls=request.param)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(status.st_mode) for path, status in found_below(folder).items()}


def test_the_first_start_makes_everything_for_its_owner_alone(server: Server) -> None:
    found = modes(server.data_folder)
    assert found.pop(server.data_folder.name) == 0o700
    assert {"stillage.db", "blobs", "tls", "ca.pem", "cert.pem", "key.pem", "node-id", "clouds.yaml"} <= set(found)
    for name in ("clouds.yaml", "key.pem", "node-id"):
        assert found[name] == 0o600
    for name in ("blobs", "tls"):
        assert found[name] == 0o700


def test_the_clouds_log_in(either: Server) -> None:
    for cloud, role in (("stillage", "member"), ("stillage-admin", "admin")):
        described = either.clouds[cloud]
        assert described["auth"]["auth_url"] == f"{either.url}/identity/v3"
        assert ("cacert" in described) == either.tls
        answer = either.login(cloud)
        assert answer.status == 201
        assert role in {found["name"] for found in answer.json["token"]["roles"]}
        endpoints = {
            endpoint["url"]
            for service in answer.json["token"]["catalog"]
            if service["type"] == "image"
            for endpoint in service["endpoints"]
        }
        assert endpoints == {either.url}


def test_the_link_that_is_printed_signs_a_browser_in_as_the_administrator_once(own_server: MakeServer) -> None:
    server = own_server(tls=True).start()  # the link of one that other tests share may have ended
    [address, link] = eventually(
        lambda: (found := re.search(r"^ *(\S+/console/)#link=(\S+)$", server.output, re.MULTILINE)) and found.groups(),
        "the server prints the link",
    )
    assert address == f"{server.url}/console/"
    answer = server.call("POST", "/console/session", {"link": link})
    assert (answer.status, answer.json["user"]["name"], answer.json["is_admin"]) == (201, "admin", True)
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert cookie.startswith("__Host-stillage=")
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert server.call("GET", "/v2/images", headers={"Cookie": cookie}).status == 200
    assert server.call("POST", "/console/session", {"link": link}).status == 401
    assert link not in server.log


def test_the_second_start_finds_everything(own_server: MakeServer) -> None:
    server = own_server(tls=True).start()
    image_id, token = server.stored(b"kept"), server.token()
    kept = ["tls/ca.pem", "tls/key.pem", "node-id"]
    before = {name: (server.data_folder / name).read_bytes() for name in kept}
    passwords = {name: cloud["auth"]["password"] for name, cloud in server.clouds.items()}
    assert all(len(password) >= 16 for password in passwords.values())
    assert server.stop() == 0
    server.start()
    assert {name: (server.data_folder / name).read_bytes() for name in kept} == before
    assert {name: cloud["auth"]["password"] for name, cloud in server.clouds.items()} == passwords
    assert server.login().status == 201
    assert server.call("GET", f"/v2/images/{image_id}", headers={"X-Auth-Token": token}).status == 200
    holds(server, image_id, b"kept")


def test_the_admin_password_can_be_chosen_and_changed(own_server: MakeServer) -> None:
    server = own_server(admin_password="the first one").start()
    assert server.clouds["stillage-admin"]["auth"]["password"] == "the first one"
    assert server.login("stillage-admin").status == 201
    server.settings["admin_password"] = "the second one"
    server.restart()
    assert server.clouds["stillage-admin"]["auth"]["password"] == "the second one"
    assert server.login("stillage-admin").status == 201


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_certificate_is_good_by_the_strictest_rules(server: Server, name: str) -> None:
    trust = server.trust
    trust.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    with (
        socket.create_connection(server.address) as plain,
        trust.wrap_socket(plain, server_hostname=name) as secure,
    ):
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
        assert secure.getpeercert()


def test_nobody_else_is_trusted_and_no_other_name(server: Server) -> None:
    for trust, name in ((ssl.create_default_context(), "127.0.0.1"), (server.trust, "images.example.test")):
        with socket.create_connection(server.address) as plain, pytest.raises(ssl.SSLCertVerificationError):
            trust.wrap_socket(plain, server_hostname=name)


def test_plain_http_on_a_tls_port_is_told_to_use_https(server: Server) -> None:
    for sent in (request("GET", "/healthz"), b"PUT /v2/images/x/file HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(MIB)):
        with socket.create_connection(server.address, TIMEOUT_S) as plain:
            plain.sendall(sent)
            plain.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: plain.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"use https:// in place of http://" in answer
    assert server.call("GET", "/healthz").status == 200


def test_the_printed_curl_lines_work_as_they_are(either: Server, tmp_path: Path) -> None:
    assert shutil.which("curl"), "this test needs curl: apt-get install curl"
    data = os.urandom(MIB)
    (tmp_path / "disk.img").write_bytes(data)
    printed = either.output[either.output.rindex("curl:\n") + len("curl:\n") :]
    done = subprocess.run(
        ["bash", "-ec", f'{printed}\necho "id=$ID"'],
        cwd=tmp_path,
        env=either.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^HTTP/1.1 204 ", done.stdout, re.MULTILINE), done.stdout
    image_id = re.search(r"^id=(\S+)$", done.stdout, re.MULTILINE)
    assert image_id
    holds(either, image_id[1], data)


def test_the_welcome_tells_where_everything_is(server: Server) -> None:
    found = READY.search(server.output)
    assert found
    assert found[1] == server.url
    assert f"OS_CLIENT_CONFIG_FILE={server.data_folder / 'clouds.yaml'}" in server.output
    assert f"stillage upload --data {server.data_folder} disk.img\n" in server.output
    assert f"remove {server.data_folder} with every image in it" in server.output


def test_it_tells_whether_it_is_alive_and_ready(either: Server) -> None:
    assert either.call("GET", "/healthz").json == {"status": "ok"}
    answer = either.call("GET", "/readyz")
    assert answer.status == 200
    assert answer.json == {"status": "ok", "server": "ok", "database": "ok", "store": "ok"}


def test_metrics_are_for_administrators(server: Server) -> None:
    server.stored(b"counted")
    assert server.call("GET", "/metrics").status == 401
    assert server.call("GET", "/metrics", headers={"X-Auth-Token": server.token()}).status == 403
    answer = server.call("GET", "/metrics", headers={"Authorization": f"Bearer {server.token('admin')}"})
    assert answer.status == 200
    text = answer.body.decode()
    assert re.search(
        r'stillage_requests_total\{method="PUT",route="/v2/images/\{image_id\}/file",status="204"\} \d', text
    )
    assert re.search(r'stillage_uploads_total\{outcome="stored"\} \d', text)
    assert re.search(r"^stillage_uploads_in_flight \d", text, re.MULTILINE)


def test_an_address_of_its_own_shows_metrics_to_prometheus(own_server: MakeServer) -> None:
    port = free_port()
    server = own_server(metrics_listen=f"127.0.0.1:{port}", idle_timeout_s=1).start()
    server.url = f"http://127.0.0.1:{port}"
    before = server.connections()
    answer = server.call("GET", "/metrics")
    assert answer.status == 200
    assert b"stillage_uploads_in_flight" in answer.body
    # Its time limits are those of the main address.
    with Rude(server, small_buffers=True) as client:
        client.send_as_far_as_taken(request("GET", "/metrics") * (8 * MIB // len(answer.body)))
        assert client.read(12) == b"HTTP/1.1 200"
        eventually(lambda: server.connections() <= before, "it is cut off")


def test_every_request_is_logged_under_the_id_that_its_answer_carries(either: Server) -> None:
    given = "req-11111111-2222-4333-8444-555555555555"
    answer = either.api("GET", "/v2/images?name=x", x_openstack_request_id=given)
    request_id = answer.headers["x-openstack-request-id"]
    assert request_id != given
    # The line is written when the answer is on its way already.
    lines = eventually(
        lambda: [event for event in either.events if event.get("request_id") == request_id], "the request is logged"
    )
    assert [line["event"] for line in lines] == ["request"]
    assert (lines[0]["method"], lines[0]["path"], lines[0]["status"]) == ("GET", "/v2/images", 200)
    assert lines[0]["client_request_id"] == given
    refused = either.api("GET", "/v2/images/nothing")
    assert refused.json["error"]["request_id"] == refused.headers["x-openstack-request-id"]


def test_no_secret_is_ever_written(own_server: MakeServer) -> None:
    server = own_server(log_level="debug", admin_password="a chosen password").start()
    secrets = [cloud["auth"]["password"] for cloud in server.clouds.values()]
    secrets += [server.token(), server.token("admin"), server.cli("token").strip()]
    image_id = server.stored(b"bytes of somebody's disk")
    server.download(image_id)
    server.call("GET", "/v2/images", headers={"X-Auth-Token": "a-token-that-is-none"})
    wrong = {"user": {"name": "demo", "domain": {"id": "default"}, "password": "a wrong password"}}
    identity = {"identity": {"methods": ["password"], "password": wrong}}
    assert server.call("POST", "/identity/v3/auth/tokens", {"auth": identity}).status == 401
    with Rude(server) as client:
        client.send(request("GET", "/healthz", f"X-Auth-Token: {server.token()}\0"))
        assert client.answer().status == 400
    assert server.stop() == 0
    written = server.output + server.log
    for secret in [*secrets, "a-token-that-is-none", "a wrong password", "somebody's disk"]:
        assert secret not in written


BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "no certificate": (
        {"tls": True, "tls_certificate": "/none/c.pem", "tls_key": "/none/k.pem"},
        "cannot use the certificate /none/c.pem with the key /none/k.pem: No such file or directory",
    ),
    "no certificate, two workers": (
        {"tls": True, "workers": 2, "tls_certificate": "/none/c.pem", "tls_key": "/none/k.pem"},
        "key /none/k.pem: No such file",
    ),
    "no PEM": ({"tls": True, "tls_certificate": "/etc/passwd", "tls_key": "/etc/passwd"}, "cannot use the certificate"),
    "no folder for the database": (
        {"database_url": "sqlite:////none/x.db"},
        "the database sqlite:////none/x.db does not answer: unable to open database file",
    ),
    "no database": ({"database_url": "sqlite:////etc/passwd"}, "does not answer: file is not a database"),
    "nobody at the database's address": (
        {"database_url": "postgresql+psycopg://stillage:secret@127.0.0.1:1/x"},
        "the database postgresql+psycopg://stillage:***@127.0.0.1:1/x does not answer: ",
    ),
    "an address for metrics that is not ours": (
        {"metrics_listen": "192.0.2.1:80"},
        "cannot listen on 192.0.2.1:80: Cannot assign requested address; choose another metrics_listen",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_server_that_cannot_begin_says_why_in_one_sentence(own_server: MakeServer, case: str) -> None:
    settings, told = BROKEN[case]
    run = own_server(**settings).launch()
    assert run.wait() == 1
    assert run.output == ""
    assert run.log.count("\n") == 1
    assert run.log.startswith("stillage: ")
    assert told in run.log
    assert "secret" not in run.log


def test_a_lock_that_cannot_be_opened_is_told(own_server: MakeServer) -> None:
    server = own_server()
    (server.data_folder / "lock").mkdir()
    run = server.launch()
    assert run.wait() == 1
    assert run.log == f"stillage: cannot open {server.data_folder / 'lock'}: Is a directory\n"
