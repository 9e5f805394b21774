"""A real server with TLS and a real browser, which the tests of one file share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from browser import chromium, sign_in, tab
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
