"""The upload dock, its form and the picture of a disk are accessible, and work by keyboard alone."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

import slow_path
from axe import violations
from console_uploads import hostile, noise, only_image, person, row, upload, wait_until_received
from server import MIB, Server

pytestmark = pytest.mark.browser

LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    {"color_scheme": "dark", "viewport": {"width": 390, "height": 800}},
]


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_every_state_of_the_dock_is_accessible(
    browser: Browser, server: Server, slow: Server, tmp_path: Path, look: dict[str, Any]
) -> None:
    big, small = noise(tmp_path / "big.raw", 24), noise(tmp_path / "small.raw", 1)
    with person(browser, slow, **look) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="New image").first.press("Enter")
        chooser.value.set_files(small)
        expect(page.get_by_label("Disk format")).to_have_value("raw")
        page.get_by_text("As a command").last.click()
        assert violations(page) == []
        page.get_by_role("button", name="Cancel").click()
        upload(page, hostile(tmp_path / "bad.qcow2", 0), small, big)
        row(page, "refused").locator("summary").click()
        row(page, "active")
        row(page, "sending").get_by_role("button", name="Pause").click()
        row(page, "paused")
        assert violations(page) == []
        page.reload()
        row(page, "needs-file")
        assert violations(page) == []
        page.get_by_role("button", name="Remove the image big").click()
        assert violations(page) == []
        page.get_by_role("dialog").get_by_role("button", name="Remove the image").click()
        expect(page.locator(".dock")).to_have_count(0)
    for image in server.api("GET", "/v2/images").json["images"]:
        server.api("DELETE", f"/v2/images/{image['id']}")


def test_the_picture_of_a_disk_shows_its_partitions_and_has_tables_behind_it(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    disk, packed = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    with disk.open("wb") as file:
        file.truncate(64 * MIB)
    table = 'label: gpt\nsize=16M, type=U, name="EFI"\ntype=L, name="root"\n'
    subprocess.run(["/usr/sbin/sfdisk", "-q", str(disk)], input=table, text=True, check=True)
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", str(disk), str(packed)], check=True)
    with person(browser, server) as page:
        upload(page, packed)
        row(page, "active")
        page.get_by_role("button", name="Clear finished").click()
        page.goto(f"/console/images/{only_image(server)['id']}/disk")
        expect(page.get_by_role("row").filter(has_text="root")).to_contain_text("Linux data")
        expect(page.get_by_role("row").filter(has_text="EFI")).to_contain_text("16 MiB")
        expect(page.locator("svg.guest-bar rect").nth(1)).to_be_attached()
        expect(page.get_by_text("compressed", exact=True)).to_be_visible()
        page.get_by_text("As a table").click()
        assert violations(page) == []
    server.api("DELETE", f"/v2/images/{only_image(server)['id']}")


def test_an_image_is_made_by_keyboard_alone(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, tmp_path: Path
) -> None:
    file = noise(tmp_path / "disk.raw", 24)
    with person(browser, slow) as page:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="New image").first.press("Enter")
        chooser.value.set_files(file)
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        expect(page.get_by_label("Name", exact=True)).to_have_value("disk")
        page.keyboard.press("Enter")
        wait_until_received(server, MIB)
        page.get_by_role("button", name="Pause disk").press("Enter")
        page.get_by_role("button", name="Resume disk").press("Enter")
        line.rate = slow_path.NO_LIMIT
        row(page, "active")
    server.api("DELETE", f"/v2/images/{only_image(server)['id']}")
