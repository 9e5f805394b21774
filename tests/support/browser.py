"""A real browser for the tests of the console: Debian's Chromium, driven by Playwright over a real server with TLS."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from running import TIMEOUT_S
from server import Server

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]

expect.set_options(timeout=TIMEOUT_S * 1000)
CLOUDS = {"demo": "stillage", "admin": "stillage-admin"}
FOCUS_IS_SEEN = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const middle = box.top + box.height / 2;
  const isOnTop = [0.1, 0.5, 0.9].some(
    (share) => element.contains(document.elementFromPoint(box.left + share * box.width, middle)));
  return isOnTop && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""
"""Whether what has the focus has an outline, and neither lies outside the window nor is hidden by something else."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser; each context of it is a person with cookies of their own."""
    program = shutil.which("chromium")
    assert program, "Chromium is missing: run scripts/system-packages"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def tab(browser: Browser, server: Server, **options: Any) -> Iterator[Page]:
    """Yield a page of a person who has not signed in. It fails what the console itself reports as an error."""
    settings = {"ignore_https_errors": True, "base_url": server.url, "locale": "en-GB", **options}
    context = browser.new_context(**settings)
    context.set_default_timeout(TIMEOUT_S * 1000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    try:
        yield page
        assert not faults
    finally:
        context.close()


def sign_in(page: Page, server: Server, user: str = "demo", path: str = "/images") -> None:
    """Sign in with the form, and wait for the page *path*."""
    page.goto(f"/console{path}")
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(server.clouds[CLOUDS[user]]["auth"]["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Main").wait_for()


def tab_to(page: Page, name: str, *, role: str | None = None) -> None:
    """Press Tab until what has *name* has the focus, as somebody does who sees where it is."""
    wanted = page.get_by_role(role, name=name) if role else page.get_by_label(name)  # type: ignore[arg-type]
    expect(wanted.first).to_be_visible()
    for _ in range(160):
        if wanted.first.evaluate("element => element === document.activeElement"):
            assert page.evaluate(FOCUS_IS_SEEN), f"nobody sees that {name} has the focus"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name}")
