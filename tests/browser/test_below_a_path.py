"""The console behind nginx and below a path: sign in, list, upload, look, download, sign out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import tab
from console_uploads import noise, only_image, row, upload
from load_balancer import load_balancer
from server import Server, free_port

pytestmark = pytest.mark.thorough

PATH = "/images"


@pytest.fixture(params=["nginx removes the path", "nginx leaves the path"])
def deployed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """A node, and what people reach it by."""
    keeps_path, port, own = "leaves" in request.param, free_port(), f"127.0.0.1:{free_port()}"
    node = Server(tmp_path / "home", arguments=("--listen", own), trusted_proxies="127.0.0.1")
    if keeps_path:
        node.settings["public_url"] = f"https://127.0.0.1:{port}{PATH}"
    folder = tmp_path / "nginx"
    folder.mkdir()
    try:
        node.start()
        node.url = f"http://{own}"  # it prints the public one
        with load_balancer("nginx", [node, node], folder, below=PATH, keeps_path=keeps_path, port=port) as proxy:
            proxy.data_folder = node.data_folder  # where the password is
            yield node, proxy
    finally:
        node.close()


def test_everything_stays_below_the_path(browser: Browser, deployed: tuple[Server, Server], tmp_path: Path) -> None:
    node, proxy = deployed
    file = noise(tmp_path / "disk.raw", 3)
    with tab(browser, proxy) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{proxy.url}/console")
        page.get_by_label("User").fill("demo")
        page.get_by_label("Password").fill(proxy.clouds["stillage"]["auth"]["password"])
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{proxy.url}/console/images")
        upload(page, file)
        row(page, "active")
        look_at_pages(page, proxy, only_image(node)["id"])
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download").click()
        assert Path(saved.value.path()).read_bytes() == file.read_bytes()
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{proxy.url}/console/sign-in")
        for _ in range(2):
            page.reload()
            expect(page.get_by_label("Password")).to_be_visible()
    assert [url for url in asked if not url.startswith((f"{proxy.url}/", "data:", "blob:"))] == []


def look_at_pages(page: Page, proxy: Server, image_id: str) -> None:
    for name in ("Jobs", "Access", "Help", "Images"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="As a command").first.click()
    page.get_by_role("button", name="curl").click()
    text = page.locator("dialog pre").inner_text()
    assert re.search(rf"{re.escape(proxy.url)}/v2/images\b", text)
    page.keyboard.press("Escape")
    page.get_by_role("row").get_by_role("link", name="disk").click()
    expect(page).to_have_url(f"{proxy.url}/console/images/{image_id}")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("disk")
