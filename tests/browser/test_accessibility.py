"""No page breaks a rule of WCAG 2.2 AA that axe-core knows, in light and in dark, in a wide window and a narrow one."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from axe import violations
from browser import sign_in, tab
from server import Server

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
LOOKS: list[tuple[Scheme, int]] = [("light", 1280), ("dark", 390)]
PAGES = [
    "/images", "/images?tab=shared", "/images?tab=hidden", "/images?q=nothing&status=active&tag=x", "/images/ID",
    "/images/ID/disk", "/images/ID/sharing", "/images/ID/history", "/images/ID/use", "/jobs", "/access", "/help",
    "/admin", "/admin/projects", "/admin/users", "/admin/uploads", "/admin/audit", "/admin/rules",
    "/admin/settings", "/admin/doctor", "/connection", "/no-such-page",
]  # fmt: skip


@pytest.fixture(scope="module")
def image_id(server: Server) -> str:
    refused = server.create(name="refused", disk_format="qcow2")
    assert server.upload(refused, b"no qcow2" * 1000).status == 415
    return server.stored(bytes(512), name="debian", tags=["nightly", "web"], os_distro="debian", visibility="shared")


@pytest.fixture(params=LOOKS, ids=[scheme for scheme, _ in LOOKS])
def visitor(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of nobody yet."""
    scheme, width = request.param
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with tab(browser, server, **options) as page:
        yield page


def settled(page: Page) -> None:
    """Wait for what the page shows while data comes to be gone."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def test_every_page(visitor: Page, server: Server, image_id: str) -> None:
    visitor.goto("/console/")
    expect(visitor.get_by_label("User")).to_be_visible()
    assert violations(visitor) == []
    sign_in(visitor, server, "admin")
    found = {}
    for path in PAGES:
        visitor.goto(f"/console{path.replace('ID', image_id)}")
        settled(visitor)
        found[path] = violations(visitor)
    assert not {path: broken for path, broken in found.items() if broken}


def test_every_dialog(visitor: Page, server: Server, image_id: str) -> None:
    sign_in(visitor, server, "admin")
    dialogs = [
        ("/images", "As a command"), ("/images/ID", "Actions"), ("/access", "New credential"),
        ("/admin/users", "New user"), ("/admin/users", "Roles"),
        ("/admin/projects", "New project"), ("/admin/projects", "Quota"),
    ]  # fmt: skip
    for path, button in dialogs:
        visitor.goto(f"/console{path.replace('ID', image_id)}")
        settled(visitor)
        visitor.get_by_role("button", name=button).first.click()
        expect(visitor.locator("dialog, .menu-list").first).to_be_visible()
        assert violations(visitor) == [], (path, button)


def test_in_each_language_the_page_says_its_language(browser: Browser, server: Server) -> None:
    for locale, language, title in (("de-DE", "de", "Abbilder"), ("zh-CN", "zh-CN", "镜像")):
        with tab(browser, server, locale=locale) as page:
            page.goto("/console/")
            page.locator("input[name=user]").fill("demo")
            page.locator("input[name=password]").fill(server.clouds["stillage"]["auth"]["password"])
            page.locator("button.primary").click()
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            expect(page.locator("html")).to_have_attribute("lang", language)
            page.get_by_role("combobox").nth(0).select_option("en")
            expect(page.get_by_role("heading", level=1)).to_have_text("Images")
