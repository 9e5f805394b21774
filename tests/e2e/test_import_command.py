"""`stillage import` against a real server, as a user types it."""

import hashlib
import random
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from clients import Shells
from samples import load
from sending import Ended, Person
from server import MIB, Server

DATA = random.Random(7).randbytes(MIB + 4321)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a web server on this machine."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "disk.img").write_bytes(DATA)
    (folder / "evil.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as made:
        thread = Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = mirror.rpartition(":")[2]
    made = Server(tmp_path_factory.mktemp("home"), import_networks="127.0.0.0/8", import_ports=port)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def person(server: Server, shells: Shells, tmp_path: Path) -> Person:
    (tmp_path / "disk.raw").write_bytes(DATA)
    return Person.of(server, tmp_path, shells)


def imported(person: Person, *arguments: str) -> Ended:
    return person.run("import", *arguments, "--json")


def test_a_url_and_a_file_become_images(server: Server, person: Person, mirror: str) -> None:
    done = imported(person, f"{mirror}/disk.img?x=1", "disk.raw", "--property", "a=b", "--tag", "t")
    assert done.status == 0, done.error
    for view, name, sent in zip(done.views, ("disk.img", "disk.raw"), (0, len(DATA)), strict=True):
        image = server.show(view["image"])
        assert (image["name"], image["status"], image["a"], image["tags"]) == (name, "active", "b", ["t"])
        assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
        assert (view["state"], view["size"], view["sent"], view["failed_stores"]) == ("active", len(DATA), sent, [])
        assert view["task"] is not None


def test_who_does_not_wait_is_told_of_the_task(server: Server, person: Person, mirror: str) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    done = person.run("import", f"{mirror}/disk.img", "--no-wait", "--sha256", digest, "--convert-to", "qcow2")
    assert done.status == 0, done.error
    image_id = done.out.split("image ")[1].split()[0]
    image = server.await_status(image_id, "active")
    assert (image["disk_format"], image["os_stillage_source_sha256"]) == ("qcow2", digest)


def test_a_refusal_says_why_and_leaves_nothing(server: Server, person: Person, mirror: str) -> None:
    before = server.blobs()
    (person.folder / "evil.qcow2").write_bytes(load("qcow2-v3-backing.qcow2"))
    done = imported(person, "evil.qcow2", f"{mirror}/evil.qcow2", f"{mirror}/nothing.raw", "ftp://x/y.raw")
    assert done.status == 3
    reasons = [view["error"] for view in done.views]
    assert ["backing file" in reason for reason in reasons] == [True, True, False, False]
    assert "404" in reasons[2]
    assert server.blobs() == before
    assert done.views[3]["image"] is None
    assert {server.api("GET", f"/v2/images/{view['image']}").status for view in done.views[:3]} == {404}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["https://x/disk.unknown"], "--disk-format"),
        (["https://x/disk.img", "--store", "a", "--all-stores"], "--all-stores"),
        (["a.raw", "b.raw", "--name", "n"], "--name"),
        (["a.raw", "--convert-to", "nothing"], "--convert-to"),
    ],
)
def test_a_mistake_is_told_before_anything_is_asked(person: Person, arguments: list[str], said: str) -> None:
    done = imported(person, *arguments)
    assert (done.status, said in done.error) == (2, True), done.error


def test_a_store_that_is_not_there_is_refused(person: Person) -> None:
    done = imported(person, "disk.raw", "--store", "nowhere")
    assert (done.status, done.views[0]["code"]) == (3, "conflict")
