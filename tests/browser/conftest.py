"""A real server with TLS and a real browser, which the tests of one file share."""

from collections.abc import Iterator
from copy import copy

import pytest
from playwright.sync_api import Browser, Page

import slow_path
from browser import chromium, sign_in, tab
from console_uploads import SLOW
from server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("home"), tls=True)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of the user demo, who is signed in and looks at the images."""
    with tab(browser, server) as page:
        sign_in(page, server)
        yield page


@pytest.fixture
def line(server: Server) -> Iterator[slow_path.Path]:
    """A slow line to the server."""
    made = slow_path.Path(server.address[1], rate=SLOW)
    with slow_path.running(made) as port:
        made.url = f"https://127.0.0.1:{port}"
        yield made


@pytest.fixture
def slow(server: Server, line: slow_path.Path) -> Server:
    """The server at the far end of the line."""
    far = copy(server)
    far.url = line.url
    return far
