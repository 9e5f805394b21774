"""``stillage backup`` of a node that serves, and ``stillage restore`` to a new folder, as an operator runs them."""

import errno
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from typer.testing import CliRunner

from server import COMMAND, MakeServer, Server
from stillage.cli.main import app
from stillage.errors import BadSettings

pytestmark = pytest.mark.one_server
TRIES = int(os.environ.get("STILLAGE_BACKUP_TRIES", "5"))
CLIENTS = 4


def command(*words: str | Path, fails: bool = False) -> tuple[int, str]:
    """Run a command in this process; return its status and what it printed, or the error with which it *fails*."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if fails:
        assert isinstance(done.exception, BadSettings), repr(done.exception)
        return done.exit_code, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.output


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Undo what commands do to this process."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


def scrubbed(data_folder: Path) -> str:
    """Scrub in a process of its own, because the command changes where logs go; return what it printed."""
    line = [str(COMMAND), "scrub", "--data", str(data_folder)]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=120).stdout


def backed_up(server: Server, folder: Path) -> dict[str, Any]:
    status, output = command("backup", folder, "--data", server.data_folder, "--json")
    assert status == 0, output
    return dict(json.loads(output))


def names_below(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("stores/files/??/*")}


def test_a_node_is_backed_up_while_it_serves_and_restored(own_server: MakeServer, tmp_path: Path) -> None:
    server, folder = own_server().start(), tmp_path / "copy"
    first, second = server.stored(b"first" * 1000), server.stored(b"second")
    saving = server.create()
    opened = server.api("POST", f"/v2/images/{saving}/uploads", {"size": 8})
    assert opened.status == 201, opened.body
    assert backed_up(server, folder)["copied"] == 2

    server.api("DELETE", f"/v2/images/{first}")
    third = server.stored(b"third")
    again = backed_up(server, folder)
    assert (again["copied"], again["blobs"], again["images"]) == (1, 2, 3)
    assert len(names_below(folder)) == 2, "what nobody needs is gone"
    server.stop()

    new = tmp_path / "new"
    assert command("restore", folder, "--data", new) == (0, f"restored to {new}: 2 copied, 0 damaged\n")
    assert scrubbed(new) == "2 images read, 0 damaged\n"
    restored = own_server()
    restored.data_folder = new
    restored.start()
    assert restored.download(second).body == b"second"
    assert restored.download(third).body == b"third"
    assert restored.call("GET", f"/v2/images/{first}", headers={"X-Auth-Token": restored.token()}).status == 404
    ended = restored.show(saving)
    assert (ended["status"], "backup" in ended["os_stillage_reason"]) == ("queued", True)


@contextmanager
def under_load(server: Server) -> Iterator[None]:
    """Upload and delete images from several threads meanwhile."""
    server.token()
    enough = Event()

    def churn(seed: int) -> None:
        chance, alive = random.Random(seed), list[str]()
        while not enough.is_set():
            alive.append(server.stored(chance.randbytes(chance.choice([10, 100_000, 2_000_000]))))
            if len(alive) > 10:
                server.api("DELETE", f"/v2/images/{alive.pop(chance.randrange(len(alive)))}")

    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(churn, seed) for seed in range(CLIENTS)]
        try:
            yield
        finally:
            enough.set()
    for one in running:
        one.result()


def every_image_is_whole(server: Server) -> int:
    """Download every active image, and compare it with the digest of its record. Return how many there are."""
    images = server.api("GET", "/v2/images?status=active&limit=1000").json["images"]
    for image in images:
        assert hashlib.sha512(server.download(image["id"]).body).hexdigest() == image["os_hash_value"]
    return len(images)


def refuse_to_link(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.thorough
@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_every_backup_under_load_restores_whole(
    own_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:  # as where the backup is on another disk
        monkeypatch.setattr("stillage.operations.backup.files.os.link", refuse_to_link)
    server = own_server(sweep_interval_s=1, deleted_download_s=0).start()
    server.stored(b"before")
    with under_load(server):
        for at in range(TRIES):
            kept = tmp_path / "copy"  # the next one copies what is new
            assert backed_up(server, kept)["damaged"] == []
            assert command("restore", kept, "--data", tmp_path / f"new-{at}")[0] == 0
    server.stop()
    for at in range(TRIES):
        assert " 0 damaged" in scrubbed(tmp_path / f"new-{at}")
        restored = own_server()
        restored.data_folder = tmp_path / f"new-{at}"
        assert every_image_is_whole(restored.start()) > 0
        restored.stop()


@pytest.mark.thorough
def test_an_interrupted_backup_is_never_restored_and_goes_on(
    own_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, folder = own_server().start(), tmp_path / "copy"
    for number in range(3):
        server.stored(bytes([number]) * 100)
    with monkeypatch.context() as broken:
        broken.setattr("stillage.operations.backup.making.replace_durably", lambda _: sys.exit("the power fails"))
        assert command("backup", folder, "--data", server.data_folder)[0] == 1
    status, output = command("restore", folder, "--data", tmp_path / "new", fails=True)
    assert (status, output) == (
        1,
        f"{folder} has no complete backup; if 'stillage backup' was interrupted, run it again",
    )
    assert backed_up(server, folder)["copied"] == 0, "all of it was copied before"
    server.stop()
    assert command("restore", folder, "--data", tmp_path / "new")[0] == 0
    assert "has a database already" in command("restore", folder, "--data", tmp_path / "new", fails=True)[1]


@pytest.mark.thorough
def test_damaged_bytes_are_told_and_kept_apart(own_server: MakeServer, tmp_path: Path) -> None:
    server, folder = own_server().start(), tmp_path / "copy"
    image_id = server.stored(b"good bytes")
    server.stored(b"others")
    (blob,) = (path for path in server.data_folder.glob("blobs/??/*") if path.read_bytes() == b"good bytes")
    blob.write_bytes(b"good bytfs")
    status, output = command("backup", folder, "--data", server.data_folder)
    assert (status, "1 damaged" in output) == (1, True)
    assert names_below(folder) & {blob.name, f"{blob.name}.damaged"} == {f"{blob.name}.damaged"}
    server.stop()
    assert command("restore", folder, "--data", tmp_path / "new")[0] == 1
    restored = own_server()
    restored.data_folder = tmp_path / "new"
    assert "is damaged at rest" in restored.start().download(image_id).message
