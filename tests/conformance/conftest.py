"""One server over TLS for all clients, and two people in two projects of it."""

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from clients import Account, Shells, make_account
from server import Server

DISK = bytes(range(256)) * 1200


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadingHTTPServer]:
    """A web server on this machine that has the disk, for imports."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "disk.img").write_bytes(DISK)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as made:
        thread = Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def disk_url(mirror: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{mirror.server_port}/disk.img"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, mirror: ThreadingHTTPServer) -> Iterator[Server]:
    home, port = tmp_path_factory.mktemp("home"), mirror.server_port
    made = Server(home, tls=True, import_networks="127.0.0.0/8", import_ports=port)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="session")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    made = Shells(tmp_path_factory.mktemp("shells"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def new_account(server: Server, shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Account]:
    """``new_account("erin")``: a member of a project of his own. Nobody else is in it."""
    numbers = count()

    def make(user: str) -> Account:
        number = next(numbers)
        home = tmp_path_factory.mktemp(user)
        return make_account(server, shells, home, f"{user}-{number}", f"project-{number}")

    return make


@pytest.fixture(scope="module")
def erin(new_account: Callable[[str], Account]) -> Account:
    return new_account("erin")


@pytest.fixture(scope="module")
def olga(new_account: Callable[[str], Account]) -> Account:
    return new_account("olga")


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of random bytes, which are of no format: raw."""
    path = tmp_path_factory.mktemp("disks") / "disk.img"
    path.write_bytes(DISK)
    return path


@pytest.fixture(scope="session")
def admin(server: Server, shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The administrator of the first start."""
    password = server.clouds["stillage-admin"]["auth"]["password"]
    return Account(server, shells, tmp_path_factory.mktemp("admin"), "admin", password, "demo")
