"""`stillage upload` and `download` against the real server, over a path that breaks, killed again and again.

``STILLAGE_TEST_KILLS`` says how often; the default keeps the suite short.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path as File

import pytest

import slow_path
from clients import Shells
from sending import Person, ended
from server import MIB, MakeServer, Server, eventually

KILLS = int(os.environ.get("STILLAGE_TEST_KILLS", "4"))
SIZE = 24 * MIB + 4321
# So that something is under way whenever it is looked at.
RATE = 6e6


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server(tls=False)


@pytest.fixture
def path(server: Server) -> Iterator[slow_path.Path]:
    made = slow_path.Path(server.address[1], rate=RATE)
    with slow_path.running(made) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


def over(path: slow_path.Path, server: Server, folder: File, shells: Shells) -> Person:
    """Somebody whose connections to *server* all take *path*."""
    auth = {f"OS_{name.upper()}": value for name, value in server.clouds["stillage"]["auth"].items()}
    far = {"OS_AUTH_URL": f"{path.url}/identity/v3", "OS_IMAGE_ENDPOINT_OVERRIDE": path.url}
    return Person(folder, shells, auth | far)


def disk(folder: File, seed: int) -> bytes:
    data = random.Random(seed).randbytes(SIZE)
    (folder / "disk.raw").write_bytes(data)
    return data


def images_named(server: Server, name: str) -> list[str]:
    return [image["id"] for image in server.api("GET", f"/v2/images?name={name}").json["images"]]


def test_connections_that_break_cost_only_what_was_under_way(
    server: Server, path: slow_path.Path, shells: Shells, tmp_path: File
) -> None:
    data = disk(tmp_path, 1)
    person = over(path, server, tmp_path, shells)
    path.cut_after(5 * MIB, 3 * MIB, 100_000, 7 * MIB)
    done = person.upload("disk.raw", "--name", "cut", "--piece-size", "4MiB")
    assert (done.status, done.views[0]["way"]) == (0, "pieces"), done
    assert server.download(done.views[0]["image"]).body == data
    assert path.passed < 2 * SIZE
    path.cut_after(5 * MIB)
    fetched = person.download("cut", "-o", "fetched")
    assert (fetched.status, (tmp_path / "fetched").read_bytes() == data) == (0, True)


def test_a_command_that_is_killed_anywhere_ends_in_the_same_image(
    server: Server, path: slow_path.Path, shells: Shells, tmp_path: File
) -> None:
    chance = random.Random(KILLS)
    killed = 0
    for number in range(-(-KILLS // 4)):
        data = disk(tmp_path, 100 + number)
        person, name = over(path, server, tmp_path, shells), f"killed-{number}"
        for _ in range(4):
            running = person.start("upload", "disk.raw", "--name", name, "--piece-size", "2MiB")
            goal = path.passed + int(chance.triangular(0, SIZE / 3, 0))
            eventually(lambda running=running, goal=goal: running.poll() is not None or path.passed > goal, "it sends")  # type: ignore[misc]
            time.sleep(chance.random() * 0.01)  # not only where bytes have just passed
            if ended(running, signal.SIGKILL).status == -signal.SIGKILL:
                killed += 1
        done = person.upload("disk.raw", "--name", name, "--piece-size", "2MiB")
        assert done.status == 0, done
        # It may have ended by itself before it could be killed: then there is a second image, and nothing is half.
        for image_id in images_named(server, name):
            assert server.download(image_id).body == data
        assert person.kept("uploads") == []
    assert killed


def test_a_server_that_is_killed_meanwhile_is_waited_for(
    own_server: MakeServer, shells: Shells, tmp_path: File
) -> None:
    server = own_server().start()
    data = disk(tmp_path, 2)
    port = server.address[1]
    made = slow_path.Path(port, rate=RATE)
    with slow_path.running(made) as near:
        made.url = f"http://127.0.0.1:{near}"
        person = over(made, server, tmp_path, shells)
        running = person.start("upload", "--json", "disk.raw")
        for share in (4, 2):
            eventually(lambda share=share: made.passed > SIZE // share, "it sends")  # type: ignore[misc]
            server.kill()
            server.start()
            made.to = server.address[1]
        done = ended(running)
    assert done.status == 0, done
    assert server.download(done.views[0]["image"]).body == data


def test_what_was_interrupted_goes_on_and_says_how(
    server: Server, path: slow_path.Path, shells: Shells, tmp_path: File
) -> None:
    data = disk(tmp_path, 3)
    person = over(path, server, tmp_path, shells)
    running = person.start("upload", "disk.raw", "--name", "interrupted")
    eventually(lambda: path.passed > SIZE // 2, "half of it has gone")
    stopped = ended(running, signal.SIGINT)
    assert (stopped.status, "run the same command again" in stopped.error) == (130, True)
    done = person.upload("disk.raw", "--name", "interrupted")
    view = done.views[0]
    assert (done.status, images_named(server, "interrupted")) == (0, [view["image"]])
    assert server.download(view["image"]).body == data
    assert view["resumed"] > SIZE // 4
    assert view["resumed"] + view["sent"] == SIZE


def test_bytes_that_the_project_has_are_proven_and_not_sent(server: Server, shells: Shells, tmp_path: File) -> None:
    disk(tmp_path, 4)
    person = Person.of(server, tmp_path, shells)
    assert person.upload("disk.raw", "--name", "first").views[0]["way"] == "pieces"
    again = person.upload("disk.raw", "--name", "second", "--instant").views[0]
    assert (again["way"], again["sent"], again["verified"].keys()) == ("instant", 0, {"md5", "sha512"})
