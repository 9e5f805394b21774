"""`stillage doctor` behind a real nginx: each setting that breaks uploads or downloads is found and named."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import Shells
from load_balancer import NGINX, answers
from sending import Person
from server import MakeServer, eventually, free_port

pytestmark = [pytest.mark.thorough, pytest.mark.one_server]

GOOD = {
    "client_max_body_size": "0",
    "client_body_timeout": "75s",
    "proxy_http_version": "1.1",
    "proxy_request_buffering": "off",
    "proxy_buffering": "off",
    "proxy_send_timeout": "75s",
    "proxy_read_timeout": "1h",
}
# What is bad, as nginx takes it; the checks that find it; and the directive that they name.
BAD: dict[str, tuple[dict[str, str], set[str], str]] = {
    "nothing": ({}, set(), ""),
    "limit": (
        {"client_max_body_size": "1m"},
        {"body_limit", "chunked_upload"},
        "client_max_body_size",
    ),
    "buffered": ({"proxy_request_buffering": "on"}, {"buffering", "early_refusal"}, "proxy_request_buffering"),
    "impatient": ({"client_body_timeout": "1s"}, {"upload_idle"}, "client_body_timeout"),
    "no ranges": ({"proxy_set_header": "Range ''"}, {"range"}, "proxy_set_header Range"),
    "no etag": ({"proxy_hide_header": "ETag"}, {"etag"}, "proxy_hide_header ETag"),
    "compressing": ({"gzip": "on", "gzip_types": "*", "gzip_proxied": "any"}, {"etag", "compression"}, "gzip off"),
}

SILENT = "silent"
"""Gives up an answer that is silent for 8 s; only what takes minutes finds it."""
PAGES = {name: bad for name, (bad, _, _) in BAD.items()} | {SILENT: {"proxy_read_timeout": "8s"}}


@pytest.fixture(scope="module")
def ports(shared_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The port of each entry of `PAGES`, at one nginx before one server."""
    folder = tmp_path_factory.mktemp("nginx")
    found = {name: free_port() for name in PAGES}
    pages = (_page(port, PAGES[name], "{}:{}".format(*shared_server().address)) for name, port in found.items())
    (folder / "stillage.conf").write_text("\n".join(pages))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=Path.home().owner()))
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.fail("nginx is missing; run scripts/system-packages", pytrace=False)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-p", str(folder), "-c", "nginx.conf"], cwd=folder, stderr=log)
    try:
        eventually(lambda: process.poll() is not None or all(map(answers, found.values())), "nginx listens")
        assert process.poll() is None, (folder / "log").read_text()
        yield found
    finally:
        process.terminate()
        process.wait()


def _page(port: int, bad: dict[str, str], server: str) -> str:
    directives = "".join(f"{name} {value};\n" for name, value in (GOOD | bad).items())
    return f"server {{ listen 127.0.0.1:{port}; {directives} location / {{ proxy_pass http://{server}; }} }}"


@pytest.mark.parametrize("name", BAD)
def test_a_setting_of_nginx_that_breaks_transfers_is_found_and_named(
    name: str, ports: dict[str, int], shared_server: MakeServer, shells: Shells, tmp_path: Path
) -> None:
    server = shared_server()
    _, checks, directive = BAD[name]
    found = _examined(Person.of(server, tmp_path, shells), f"http://127.0.0.1:{ports[name]}", bool(checks))
    problems = {check: finding for check, finding in found.items() if finding["result"] == "problem"}
    assert set(problems) == checks, found
    for finding in problems.values():
        assert finding["why"]
        assert finding["fix"]
    assert not checks or any(directive in line for finding in problems.values() for line in finding["nginx"])
    assert "nginx" in found["proxy"]["what"]
    assert server.api("GET", "/v2/images?name=stillage-doctor").json["images"] == []


def test_a_proxy_that_does_not_wait_for_a_verdict_is_found_by_waiting(
    ports: dict[str, int], shared_server: MakeServer, shells: Shells, tmp_path: Path
) -> None:
    person = Person.of(shared_server(), tmp_path, shells)
    found = _examined(person, f"http://127.0.0.1:{ports[SILENT]}", True, "--thorough")
    assert found["upload_idle"]["result"] == "good"  # the server's own limit comes first, with its reason
    assert (found["answer_idle"]["result"], found["answer_idle"]["nginx"]) == ("problem", ["proxy_read_timeout 1h;"])


def _examined(person: Person, url: str, has_problems: bool, *more: str) -> dict[str, Any]:
    wait = "5" if has_problems else "30"
    done = person.run("doctor", url, "--os-cloud", "stillage", "--json", "--wait", wait, *more)
    assert done.status == has_problems, (done.out, done.error)
    [view] = done.views
    return {finding["check"]: finding for finding in view["findings"]}
