"""What can happen while a browser uploads: tabs that close, sessions that end, lines that break, files that change.

The browser reaches the server over a slow line, so an upload is in its middle for as long as a test needs.
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import slow_path
from console_uploads import (
    delete_images,
    hostile,
    noise,
    only_image,
    person,
    received,
    require_whole,
    row,
    sent,
    upload,
    wait_until_received,
)
from server import MIB, Server, eventually

pytestmark = pytest.mark.thorough

SIZE = 24 * MIB
AT_RISK = 3 * MIB
"""Two pieces on their way, and what is sent once more to prove that it is the same file."""
NAMES = [
    "<img src=x onerror=alert(1)>.raw",
    "\u202egnp.exe.raw",
    "\u05e9\u05dc\u05d5\u05dd.raw",
    "a'b\"c `id` $(id).raw",
]


@pytest.fixture(autouse=True)
def no_images(server: Server) -> Iterator[None]:
    yield
    delete_images(server)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return noise(tmp_path / "disk.raw", SIZE // MIB)


def begin(page: Page, server: Server, file: Path) -> int:
    """Begin to upload *file*; return what the server has of it when it has some."""
    upload(page, file)
    return wait_until_received(server, 3 * MIB)


def test_another_tab_goes_on_when_the_one_that_sends_is_closed(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, file: Path
) -> None:
    with person(browser, slow) as first:
        before, after = first.context.new_page(), first.context.new_page()
        before.goto("/console/help")
        before.get_by_role("navigation").first.wait_for()
        begin(first, server, file)
        row(before, "elsewhere")
        after.goto("/console/images")
        row(after, "elsewhere")
        kept = received(server)
        first.close()
        eventually(lambda: sending(before) or sending(after), "another tab sends")
        line.rate = slow_path.NO_LIMIT
        heir = before if sending(before) else after
        row(heir, "active")
        assert sent(heir) <= SIZE - kept + AT_RISK
    require_whole(server, file)


def sending(page: Page) -> bool:
    return page.locator("[data-state=sending], [data-state=verifying], [data-state=active]").count() > 0


def test_an_upload_that_is_removed_is_not_taken_over(
    browser: Browser, server: Server, slow: Server, file: Path
) -> None:
    with person(browser, slow) as first:
        other = first.context.new_page()
        other.goto("/console/images")
        other.get_by_role("navigation").first.wait_for()
        begin(first, server, file)
        row(other, "elsewhere")
        first.get_by_role("button", name="Remove the image disk").click()
        first.get_by_role("dialog").get_by_role("button", name="Remove the image").click()
        for page in (first, other):
            expect(page.locator(".dock")).to_have_count(0)
    assert server.api("GET", "/v2/images").json["images"] == []


def test_another_browser_goes_on_and_the_server_notices_another_file(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, file: Path, tmp_path: Path
) -> None:
    other = noise(tmp_path / "other.raw", SIZE // MIB)
    with person(browser, slow) as page:
        begin(page, server, file)
        row(page, "sending").get_by_role("button", name="Pause").click()
    line.rate = slow_path.NO_LIMIT
    with person(browser, slow) as page:
        row(page, "needs-file")  # after the 30 s in which an upload that nobody remembers may run elsewhere
        page.get_by_label("Choose the file").set_input_files(other)
        assert "not the file" in page.get_by_role("alert").inner_text()
        page.get_by_label("Choose the file").set_input_files(file)
        row(page, "active")
    require_whole(server, file)


def test_a_session_that_ends_costs_no_byte_and_the_user_signs_in_again(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, file: Path, tmp_path: Path
) -> None:
    second = noise(tmp_path / "second.raw", 2)
    with person(browser, slow) as page:
        begin(page, server, file)
        ended = page.request.delete("/console/session", headers={"Origin": slow.url})
        assert ended.status == 204
        page.get_by_role("link", name="Shared with me").dispatch_event("click")  # a dialog may be above it already
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Sign in again")
        line.rate = slow_path.NO_LIMIT
        row(page, "active")  # it needs no session
        dialog.get_by_label("Password").fill(server.clouds["stillage"]["auth"]["password"])
        dialog.get_by_role("button", name="Sign in").click()
        expect(dialog).to_have_count(0)
        upload(page, second)
        expect(page.locator("[data-state=active]")).to_have_count(2, timeout=60_000)
        counts = [int(each.get_attribute("data-sent") or 0) for each in page.locator("[data-sent]").all()]
        assert counts == [SIZE, 2 * MIB]


def test_a_browser_whose_storage_is_full_uploads_and_is_offered_the_rest_after_a_reload(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, file: Path
) -> None:
    with person(browser, slow) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        full = {"origin": slow.url, "quotaSize": 1}
        page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", full)
        begin(page, server, file)
        assert page.evaluate(STORED) == 0
        page.reload()
        row(page, "needs-file")  # after the 30 s in which an upload that nobody remembers may run elsewhere
        kept = received(server)
        line.rate = slow_path.NO_LIMIT
        page.get_by_label("Choose the file").set_input_files(file)
        row(page, "active")
        assert sent(page) <= SIZE - kept + AT_RISK
    require_whole(server, file)


STORED = """async () => {
  const asked = indexedDB.open('stillage');
  await new Promise(resolve => { asked.onsuccess = asked.onerror = resolve; });
  const database = asked.result;
  if (!database.objectStoreNames.contains('uploads')) return 0;
  const counted = database.transaction('uploads').objectStore('uploads').count();
  await new Promise(resolve => { counted.onsuccess = resolve; });
  database.close();
  return counted.result;
}"""


def test_a_file_that_was_only_touched_goes_on_when_it_is_chosen_again(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, file: Path
) -> None:
    with person(browser, slow) as page:
        begin(page, server, file)
        os.utime(file, (1, 1))
        changed = row(page, "changed")
        expect(changed).to_contain_text("changed on disk")
        line.rate = slow_path.NO_LIMIT
        kept = received(server)
        changed.get_by_label("Choose the file").set_input_files(file)
        row(page, "active")
        assert sent(page) <= SIZE - kept + AT_RISK
    require_whole(server, file)


def test_a_file_with_other_bytes_is_never_joined_to_what_was_sent(
    browser: Browser, server: Server, slow: Server, file: Path
) -> None:
    with person(browser, slow) as page:
        begin(page, server, file)
        noise(file, SIZE // MIB)  # as large as before
        changed = row(page, "changed")
        changed.get_by_label("Choose the file").set_input_files(file)
        expect(page.get_by_role("alert")).to_contain_text("not the file")
    assert only_image(server)["status"] == "saving"


def test_a_line_that_breaks_costs_what_was_on_its_way(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, file: Path
) -> None:
    with person(browser, slow) as page:
        begin(page, server, file)
        line.cut_after(1, 2 * MIB, 2 * MIB)
        eventually(lambda: not line.cuts, "the line broke three times")
        line.rate = slow_path.NO_LIMIT
        row(page, "active")
        assert sent(page) <= SIZE + 3 * 2 * MIB  # two pieces of 1 MiB each time
    require_whole(server, file)


def test_names_of_files_are_texts_in_the_form_and_in_the_dock(browser: Browser, server: Server, tmp_path: Path) -> None:
    files = [noise(tmp_path / name, 1) for name in NAMES]
    bad = hostile(tmp_path / NAMES[-1].replace(".raw", ".qcow2"), 0)
    with person(browser, server) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="New image").first.click()
        chooser.value.set_files([*files, bad])
        legends = page.get_by_role("dialog").locator("legend bdi")
        expect(legends).to_have_text([*NAMES, bad.name])
        page.get_by_role("dialog").get_by_role("button", name="Upload").click()
        expect(page.locator("[data-state=active]")).to_have_count(len(NAMES), timeout=60_000)
        stems = [name.removesuffix(".raw") for name in NAMES]
        expect(page.locator(".dock .name bdi")).to_have_text([*stems, bad.stem])
        fix = row(page, "refused").locator("pre").inner_text()
        assert bad.name in shlex.split(fix)
    assert sorted(image["name"] for image in server.api("GET", "/v2/images").json["images"]) == sorted(
        [*stems, bad.stem]
    )
