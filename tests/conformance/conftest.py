"""One server over TLS for all clients, and two people in two projects of it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from clients import Account, Shells, make_account
from server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("home"), tls=True)
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
    path.write_bytes(bytes(range(256)) * 1200)
    return path


@pytest.fixture(scope="session")
def admin(server: Server, shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The administrator of the first start."""
    password = server.clouds["stillage-admin"]["auth"]["password"]
    return Account(server, shells, tmp_path_factory.mktemp("admin"), "admin", password, "demo")
