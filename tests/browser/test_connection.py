"""The check of the connection finds what a proxy does, and nothing without one; a browser signs out another."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import sign_in, tab
from load_balancer import load_balancer
from server import Server

pytestmark = pytest.mark.browser

GOOD = ["service", "encryption", "proxy", "clock", "body_limit", "early_answer", "live", "range", "etag", "compression"]


def check(page: Page) -> dict[str, str]:
    """Run the checks, and return what each has found."""
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("button", name="Check again")).to_be_enabled()
    expect(page.locator("main .hint")).to_be_visible()
    rows = page.locator("tr[data-check]")
    return {str(row.get_attribute("data-check")): row.inner_text() for row in rows.all()}


def test_without_a_proxy_nothing_is_wrong_and_nothing_is_left(page: Page, server: Server) -> None:
    page.goto("/console/help")
    page.get_by_role("link", name="Check my connection").click()
    found = check(page)
    assert list(found) == GOOD
    assert {name for name, text in found.items() if "Good" not in text} == set(), found
    expect(page.locator("main .hint")).to_have_text("0 problems")
    assert server.api("GET", "/v2/images?name=stillage-doctor").json["images"] == []


def test_a_proxy_with_a_limit_is_found_and_the_directive_named(browser: Browser, tmp_path: Path) -> None:
    node = Server(tmp_path / "home", trusted_proxies="127.0.0.1")
    (tmp_path / "nginx").mkdir()
    try:
        node.start()
        with load_balancer("nginx", [node, node], tmp_path / "nginx", most_body="1m") as proxy:
            proxy.data_folder = node.data_folder  # where the password is
            with tab(browser, proxy) as page:
                sign_in(page, proxy, "admin", "/admin/doctor")
                found = check(page)
        assert "A proxy refuses a request of 1.5 MiB" in found["body_limit"]
        assert "client_max_body_size 0;" in found["body_limit"]
        assert "nginx" in found["proxy"]
        assert "Good" in found["range"]
    finally:
        node.close()


def test_a_browser_is_signed_out_from_another_one(browser: Browser, server: Server) -> None:
    with tab(browser, server) as here, tab(browser, server) as there:
        sign_in(there, server)
        sign_in(here, server, path="/access")
        places = here.locator("section", has=here.get_by_role("heading", name="Where you are signed in"))
        mine = places.get_by_role("row").filter(has_text="This one")
        expect(mine).to_have_count(1)
        expect(mine).to_contain_text("127.0.0.1")
        others = places.get_by_role("button", name="Sign out there")
        for left in reversed(range(others.count())):
            others.first.click()
            here.get_by_role("dialog").get_by_role("button", name="Sign out there").click()
            expect(here.get_by_role("dialog")).to_have_count(0)
            expect(others).to_have_count(left)
        there.reload()
        expect(there.get_by_label("Password")).to_be_visible()
        here.reload()
        expect(mine).to_be_visible()
