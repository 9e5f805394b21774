"""Lists make no page wider than a narrow window."""

import pytest
from playwright.sync_api import Browser, expect

from browser import sign_in, tab
from server import Server

pytestmark = pytest.mark.thorough

NARROW = {"width": 390, "height": 720}
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def test_no_page_is_wider_than_a_narrow_window(browser: Browser, server: Server) -> None:
    server.cli("accesskey", "create", "admin")
    with tab(browser, server, viewport=NARROW) as page:
        sign_in(page, server, "admin")
        wide = []
        for path in ("/images", "/jobs", "/access", "/admin", "/admin/projects", "/admin/users", "/admin/uploads"):
            page.goto(f"/console{path}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator("[aria-busy]")).to_have_count(0)
            if page.evaluate(TOO_WIDE):
                wide.append(path)
        assert not wide
