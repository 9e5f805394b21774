"""What tests of the console's uploads do in the page: choose files, wait for a state, ask what the server has."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page

from browser import sign_in, tab
from server import MIB, Server, eventually

SLOW = 5e5
"""Bytes a second of one connection. Two send a file, so 24 MiB leave a busy machine time to act in their middle."""
UPLOADED_WITHIN_S = 300.0  # only how long a broken upload is waited for


@contextmanager
def person(browser: Browser, server: Server, **options: Any) -> Iterator[Page]:
    """Yield the console, with somebody who has signed in."""
    with tab(browser, server, **options) as page:
        sign_in(page, server)
        page.get_by_role("navigation").first.wait_for()  # the form to sign in is gone, and takes no keys any more
        yield page


def upload(page: Page, *files: Path) -> None:
    """Make an image of each of *files*, as the form suggests."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="New image").first.click()
    chooser.value.set_files(list(files))
    page.get_by_role("dialog").get_by_role("button", name="Upload").click()


def row(page: Page, state: str) -> Locator:
    """Return the row of the dock in *state*, when there is one."""
    found = page.locator(f".dock [data-state={state}]")
    found.first.wait_for(timeout=UPLOADED_WITHIN_S * 1000)
    return found


def sent(page: Page) -> int:
    """Return how many bytes the page has sent for the first row of the dock."""
    return int(page.locator(".dock [data-sent]").first.get_attribute("data-sent") or 0)


def received(server: Server) -> int:
    """Return how many bytes the server has of the upload that was opened last."""
    uploads = server.api("GET", "/v2/uploads").json["uploads"]
    return int(uploads[0]["received"]) if uploads else 0


def wait_until_received(server: Server, least: int) -> int:
    eventually(lambda: received(server) >= least, f"{least} bytes are there")
    return received(server)


def noise(path: Path, mebibytes: int) -> Path:
    """Write a raw disk without zeros that no other file resembles."""
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
    return path


def hostile(path: Path, size: int) -> Path:
    """Write a qcow2 of *size* bytes, almost all of them holes, that names a file of its reader."""
    command = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", str(path), "8G"]
    subprocess.run(command, check=True)
    os.truncate(path, max(size, path.stat().st_size))
    return path


def only_image(server: Server) -> dict[str, Any]:
    """Return the one image that is there."""
    [image] = server.api("GET", "/v2/images").json["images"]
    return dict(image)


def delete_images(server: Server) -> None:
    """Leave none to the next test."""
    for image in server.api("GET", "/v2/images").json["images"]:
        server.api("DELETE", f"/v2/images/{image['id']}")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def require_whole(server: Server, file: Path) -> None:
    """Fail unless the one image is active with the bytes of *file*."""
    image = only_image(server)
    assert image["status"] == "active"
    assert image["os_hash_value"] == digest(file)
