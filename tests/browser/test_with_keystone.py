"""The console with the cloud's Keystone in the place of our own identity: sign in, list, upload, sign out."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from axe import violations
from browser import tab
from console_uploads import noise, row, upload
from fake_keystone import SERVICE_PASSWORD, FakeKeystone
from server import Server

pytestmark = pytest.mark.thorough

PASSWORD = "erin's password"


@pytest.fixture(scope="module")
def keystone() -> Iterator[FakeKeystone]:
    """A Keystone in a thread of its own: Playwright's loop runs in this one."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def begin() -> FakeKeystone:
        return await stack.enter_async_context(FakeKeystone(lambda: datetime.now(UTC)).running())

    made = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    made.passwords["erin"] = PASSWORD
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keystone: FakeKeystone) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("home"), tls=True, keystone_url=keystone.url, keystone_username="stillage")
    made.settings["keystone_secret"] = SERVICE_PASSWORD
    try:
        yield made.start()
    finally:
        made.close()


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.goto("/console/")
    page.get_by_label("User").fill("erin")
    page.get_by_label("Password").fill(password)
    page.get_by_label("Project").fill("lab")
    page.get_by_label("Domain").fill("users")
    page.get_by_role("button", name="Sign in").click()


def test_a_user_of_keystone_signs_in_uploads_and_signs_out(
    browser: Browser, server: Server, keystone: FakeKeystone, tmp_path: Path
) -> None:
    with tab(browser, server) as page:
        page.goto("/console/")
        expect(page.get_by_text("Keystone")).to_be_visible()
        assert violations(page) == []
        sign_in(page, "a wrong one")
        expect(page.get_by_role("alert")).to_be_visible()
        sign_in(page)
        expect(page.locator(".who")).to_contain_text("erin")
        expect(page.locator(".who")).to_contain_text("project lab")
        upload(page, noise(tmp_path / "disk.raw", 3))
        row(page, "active")
        expect(page.get_by_role("row").get_by_role("link", name="disk")).to_be_visible()
        page.get_by_role("link", name="Access").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Access")
        expect(page.get_by_role("button", name="New credential")).to_have_count(0)
        page.get_by_role("banner").get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
    assert [known.user for known in keystone.tokens.values()] == ["stillage"]  # erin's was revoked


def test_when_keystone_ends_the_token_the_user_signs_in_again(
    browser: Browser, server: Server, keystone: FakeKeystone
) -> None:
    with tab(browser, server) as page:
        sign_in(page)
        expect(page.locator(".who")).to_contain_text("erin")
        page.context.clear_cookies()
        page.get_by_role("link", name="Jobs").dispatch_event("click")  # a dialog may be above it already
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Sign in again")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_label("Domain").fill("users")
        dialog.get_by_role("button", name="Sign in").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("heading", level=2)).to_have_text("No jobs")
