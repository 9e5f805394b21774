"""Files that are dropped on the page, and the screen that stays on while they are sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import slow_path
from console_uploads import delete_images, digest, noise, person, row, sent, wait_until_received
from server import MIB, Server, eventually

pytestmark = pytest.mark.browser

WAKE_LOCKS = """
const ask = navigator.wakeLock.request.bind(navigator.wakeLock);
window.wakeLocks = [];
navigator.wakeLock.request = async (kind) => {
  const lock = await ask(kind);
  window.wakeLocks.push(lock);
  return lock;
};
"""
"""The browser's own locks, noted as they are handed out."""


@pytest.fixture(autouse=True)
def no_images(server: Server) -> Iterator[None]:
    yield
    delete_images(server)


def drop(page: Page, *paths: Path) -> None:
    """Drag *paths* from a file manager over the middle of the page, and drop them there."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 400, "data": data})
        if kind == "dragOver":
            expect(page.locator(".drop-target")).to_be_visible()
    expect(page.locator(".drop-target")).to_have_count(0)


@pytest.mark.parametrize("path", ["/images", "/help"])
def test_several_files_become_images_wherever_they_are_dropped(
    browser: Browser, server: Server, tmp_path: Path, path: str
) -> None:
    files = [noise(tmp_path / f"disk {number}.raw", 1) for number in range(3)]
    with person(browser, server) as page:
        page.goto(f"/console{path}")
        page.get_by_role("navigation").first.wait_for()
        drop(page, *files)
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading", name="3 new images")).to_be_visible()
        dialog.get_by_role("button", name="Upload 3 images").click()
        expect(page.locator("[data-state=active]")).to_have_count(3, timeout=60_000)
    images = server.api("GET", "/v2/images").json["images"]
    assert {image["os_hash_value"] for image in images} == {digest(file) for file in files}


def test_a_folder_is_not_uploaded_and_the_page_says_so(browser: Browser, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "disks <b>"
    folder.mkdir()
    file = noise(folder / "inside.raw", 1)
    with person(browser, server) as page:
        drop(page, folder)
        said = page.locator(".notice", has_text="disks <b> is a folder, and was not uploaded")
        expect(said).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        said.get_by_role("button").click()
        drop(page, folder, file, folder)
        expect(page.locator(".notice", has_text="2 folders were not uploaded")).to_be_visible()
        expect(page.get_by_role("dialog").locator("legend bdi")).to_have_text(["inside.raw"])


def test_a_dropped_file_goes_on_by_itself_after_a_reload(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, tmp_path: Path
) -> None:
    file = noise(tmp_path / "disk.raw", 24)
    with person(browser, slow) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        drop(page, file)
        page.get_by_role("dialog").get_by_role("button", name="Upload").click()
        wait_until_received(server, 3 * MIB)
        page.reload()
        line.rate = slow_path.NO_LIMIT
        row(page, "active")  # the browser has not forgotten that it may read the file
        assert sent(page) < 24 * MIB
    [image] = server.api("GET", "/v2/images").json["images"]
    assert image["os_hash_value"] == digest(file)


def test_the_screen_stays_on_while_something_is_sent(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, tmp_path: Path
) -> None:
    file = noise(tmp_path / "disk.raw", 24)
    with person(browser, slow) as page:
        page.add_init_script(WAKE_LOCKS)
        page.reload()
        page.get_by_role("navigation").first.wait_for()
        assert held(page) == 0
        drop(page, file)
        page.get_by_role("dialog").get_by_role("button", name="Upload").click()
        eventually(lambda: held(page) == 1, "the screen stays on")
        row(page, "sending").get_by_role("button", name="Pause").click()
        eventually(lambda: held(page) == 0, "it may go off while the upload is paused")
        row(page, "paused").get_by_role("button", name="Resume").click()
        eventually(lambda: held(page) == 1, "it stays on again")
        line.rate = slow_path.NO_LIMIT
        row(page, "active")
        eventually(lambda: held(page) == 0, "it may go off at the end")


def held(page: Page) -> int:
    return int(page.evaluate("wakeLocks.filter(lock => !lock.released).length"))
