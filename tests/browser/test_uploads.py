"""Uploads from a real browser to a real server: what a person sees, and what arrives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import slow_path
from console_uploads import (
    SLOW,
    delete_images,
    digest,
    hostile,
    noise,
    person,
    received,
    require_whole,
    row,
    sent,
    upload,
    wait_until_received,
)
from load_balancer import load_balancer
from server import MIB, Server, eventually, free_port

MOST_AGAIN = 0.01
LANES = 4
FAST = 1e7
"""Bytes a second of one connection: what is left of 200 MiB when 90 are there takes some seconds."""


@pytest.fixture(autouse=True)
def no_images(server: Server) -> Iterator[None]:
    """Leave none to the next test."""
    yield
    delete_images(server)


def test_a_file_becomes_an_image_and_a_hostile_one_is_refused_with_its_fix(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    good, bad = noise(tmp_path / "good disk.raw", 2), hostile(tmp_path / "bad disk.qcow2", 0)
    with person(browser, server) as page:
        upload(page, good, bad)
        row(page, "active")
        refused = row(page, "refused")
        assert "backing file" in refused.inner_text()
        assert "qcow2.backing-file" in refused.inner_text()
        assert "at byte 8" in refused.inner_text()
        assert refused.locator(".pin").count() == 1
        assert "qemu-img convert -O qcow2 'bad disk.qcow2'" in refused.locator("pre").inner_text()
    images = {image["name"]: image for image in server.api("GET", "/v2/images").json["images"]}
    assert images["good disk"]["os_hash_value"] == digest(good)
    assert images["bad disk"]["status"] == "queued"


@pytest.mark.browser
def test_of_a_file_that_resembles_an_image_only_the_difference_is_sent(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    file = noise(tmp_path / "disk.raw", 40)
    assert server.upload(server.create(), file.read_bytes()).status == 204
    with file.open("r+b") as changed:
        changed.seek(30 * MIB)
        changed.write(b"changed")
    with person(browser, server) as page:
        upload(page, file)
        row(page, "active")
        assert sent(page) <= (1 + 4) * MIB  # the first MiB goes before anybody asks
    hashes = {image["os_hash_value"] for image in server.api("GET", "/v2/images").json["images"]}
    assert digest(file) in hashes


@pytest.mark.browser
def test_a_reload_in_the_middle_sends_almost_nothing_again(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, tmp_path: Path
) -> None:
    file, other = noise(tmp_path / "disk.raw", 200), noise(tmp_path / "other.raw", 200)
    line.rate = FAST
    with person(browser, slow) as page:
        page.on("dialog", lambda dialog: dialog.accept())  # asks whether to leave
        upload(page, file)
        wait_until_received(server, 90 * MIB)
        page.reload()
        waiting = row(page, "needs-file")
        line.rate = slow_path.NO_LIMIT
        kept = received(server)
        waiting.get_by_label("Choose the file").set_input_files(other)
        assert "not the file" in row(page, "needs-file").get_by_role("alert").inner_text()
        waiting.get_by_label("Choose the file").set_input_files(file)
        row(page, "active")
        assert sent(page) - (200 * MIB - kept) <= MOST_AGAIN * 200 * MIB
    require_whole(server, file)


@pytest.mark.browser
def test_an_upload_outlives_a_killed_server(browser: Browser, tmp_path: Path) -> None:
    file = noise(tmp_path / "disk.raw", 24)
    server = Server(tmp_path / "home", tls=True, arguments=("--listen", f"127.0.0.1:{free_port()}"))
    try:
        line = slow_path.Path(server.start().address[1], rate=SLOW)
        with slow_path.running(line) as port, person(browser, server, base_url=f"https://127.0.0.1:{port}") as page:
            upload(page, file)
            wait_until_received(server, 3 * MIB)
            server.kill()
            assert "trying" in row(page, "waiting").inner_text()  # again in some seconds, or already
            line.rate = slow_path.NO_LIMIT
            server.start()  # at the same address
            row(page, "active")
        require_whole(server, file)
    finally:
        server.close()


@pytest.mark.browser
def test_an_upload_waits_for_the_network(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, tmp_path: Path
) -> None:
    file = noise(tmp_path / "disk.raw", 24)
    with person(browser, slow) as page:
        upload(page, file)
        wait_until_received(server, 3 * MIB)
        page.context.set_offline(True)
        assert "No network" in row(page, "offline").inner_text()
        line.rate = slow_path.NO_LIMIT
        page.context.set_offline(False)
        row(page, "active")
    require_whole(server, file)


@pytest.mark.browser
def test_two_tabs_share_four_lanes(
    browser: Browser, server: Server, slow: Server, line: slow_path.Path, tmp_path: Path
) -> None:
    files = [noise(tmp_path / f"disk{number}.raw", 24) for number in range(2)]
    lanes = "navigator.locks.query().then(({held}) => held.filter(({name}) => name.includes('lane')).length)"
    with person(browser, slow) as page:
        other, third = page.context.new_page(), page.context.new_page()
        for each in (third, other):
            each.goto("/console/images")
            each.locator("main h1").wait_for()
        upload(page, files[0])
        upload(other, files[1])
        assert "Another tab" in row(third, "elsewhere").first.inner_text()
        eventually(lambda: page.evaluate(lanes), "they send")
        line.rate = slow_path.NO_LIMIT
        seen = []
        while not page.locator("[data-state=active]").count():
            seen.append(page.evaluate(lanes))
        row(other, "active")
        expect(third.locator(".dock")).to_have_count(0)
    assert max(seen, default=0) <= LANES
    assert {image["status"] for image in server.api("GET", "/v2/images").json["images"]} == {"active"}


@pytest.mark.browser
def test_a_hostile_image_of_2_gib_is_refused_after_its_first_mib(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    with person(browser, server) as page:
        upload(page, hostile(tmp_path / "disk.qcow2", 2 << 30))
        assert "qcow2.backing-file" in row(page, "refused").inner_text()
        assert sent(page) <= 4 * MIB


@pytest.mark.browser
def test_a_proxy_that_refuses_large_requests_gets_small_ones(browser: Browser, tmp_path: Path) -> None:
    node = Server(tmp_path / "home", trusted_proxies="127.0.0.1")
    file = noise(tmp_path / "disk.raw", 8)
    (tmp_path / "nginx").mkdir()
    try:
        node.start()
        with load_balancer("nginx", [node, node], tmp_path / "nginx", most_body="600k") as proxy:
            proxy.data_folder = node.data_folder  # where the password is
            with person(browser, proxy) as page:
                upload(page, file)
                row(page, "active")
                assert sent(page) >= 8 * MIB
        require_whole(node, file)
    finally:
        node.close()


@pytest.mark.browser
def test_a_browser_that_keeps_nothing_uploads_all_the_same(browser: Browser, server: Server, tmp_path: Path) -> None:
    file = noise(tmp_path / "disk.raw", 3)
    with person(browser, server) as page:
        page.add_init_script(
            "IDBFactory.prototype.open = () => { throw new DOMException('full', 'QuotaExceededError') }"
        )
        page.reload()
        page.locator("main h1").wait_for()
        upload(page, file)
        row(page, "active")
    require_whole(server, file)
