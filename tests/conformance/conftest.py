"""One server over TLS for all clients, and two people in two projects of it."""

from collections.abc import Callable, Iterator
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
def new_account(server: Server, shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Account]:
    """``new_account("erin", "lab")``: a user, in a project that is new as well."""
    return lambda user, project, role="member": make_account(
        server, shells, tmp_path_factory.mktemp(user), user, project, role
    )


@pytest.fixture(scope="session")
def erin(new_account: Callable[..., Account]) -> Account:
    return new_account("erin", "lab")


@pytest.fixture(scope="session")
def olga(new_account: Callable[..., Account]) -> Account:
    return new_account("olga", "works")


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
