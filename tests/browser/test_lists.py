"""Lists of the administration are searched and read in pages, and no list makes the page wider than a narrow window."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser import sign_in, tab
from server import Server

pytestmark = pytest.mark.browser

NARROW = {"width": 390, "height": 720}
TYPE_AND_LEAVE = """
const field = document.getElementById("search");
field.value = "debian";
field.dispatchEvent(new Event("input", {bubbles: true}));
document.querySelector('a[data-to="/jobs"]').click();
"""
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def admin(browser: Browser, server: Server) -> Iterator[Page]:
    with tab(browser, server) as page:
        sign_in(page, server, "admin")
        yield page


def test_users_are_found_by_a_part_of_their_name_and_the_address_keeps_it(admin: Page, server: Server) -> None:
    for name in ("Katharina", "kathrin", "igor"):
        server.cli("user", "create", name, "--project", "demo", "--password-stdin", stdin="correct horse battery\n")
    admin.goto("/console/admin/users")
    rows = admin.get_by_role("row")
    expect(rows.filter(has_text="igor")).to_be_visible()
    admin.get_by_label("Search by name").fill("KATH")
    expect(rows).to_have_count(3)
    expect(admin).to_have_url(f"{server.url}/console/admin/users?q=KATH")
    expect(admin.get_by_label("Search by name")).to_be_focused()
    admin.reload()
    expect(rows).to_have_count(3)
    admin.get_by_label("Search by name").fill("kathrin\u00e9")
    expect(admin.locator("main")).to_contain_text("No user matches.")
    admin.get_by_label("Search by name").fill("")
    expect(rows.filter(has_text="igor")).to_be_visible()


def test_the_search_of_users_begins_at_the_first_page(admin: Page) -> None:
    in_pages_of_one(admin, "users")
    admin.goto("/console/admin/users")
    admin.get_by_role("button", name="Next").click()
    expect(admin.get_by_role("button", name="Previous")).to_be_visible()
    admin.get_by_label("Search by name").fill("admin")
    expect(admin.get_by_role("row").nth(1)).to_contain_text("administrator")
    expect(admin.get_by_role("button", name="First page")).to_have_count(0)


def test_open_uploads_are_read_in_pages(admin: Page, server: Server) -> None:
    older, newer = (server.create(name=name) for name in ("older", "newer"))
    for image_id in (older, newer):
        assert server.api("POST", f"/v2/images/{image_id}/uploads", {"size": 4096}).status == 201
    in_pages_of_one(admin, "uploads")
    admin.goto("/console/admin/uploads")
    row = admin.get_by_role("row").nth(1)
    expect(row).to_contain_text(newer)
    admin.get_by_role("button", name="Next").click()
    expect(row).to_contain_text(older)
    admin.get_by_role("button", name="Previous").click()
    expect(row).to_contain_text(newer)


def test_pages_begin_at_their_top(admin: Page, server: Server) -> None:
    admin.set_viewport_size({"width": 1120, "height": 400})
    for number in range(12):
        server.create(name=f"disk {number}")
    for path in ("images", "admin/users"):
        admin.goto(f"/console/{path}")
        expect(admin.locator(".tabs")).to_be_visible()
        expect(admin.locator("[aria-busy]")).to_have_count(0)
        assert admin.evaluate("document.documentElement.scrollHeight > innerHeight"), path
        assert admin.evaluate("scrollY") == 0, path


def test_what_was_typed_into_a_search_does_not_follow_to_another_page(admin: Page, server: Server) -> None:
    admin.goto("/console/images")
    expect(admin.locator("[aria-busy]")).to_have_count(0)
    admin.clock.install()
    admin.evaluate(TYPE_AND_LEAVE)
    expect(admin.get_by_role("heading", level=1)).to_have_text("Jobs")
    admin.clock.run_for(1000)
    expect(admin).to_have_url(f"{server.url}/console/jobs")


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


def in_pages_of_one(page: Page, name: str) -> None:
    """Let the console ask for lists of *name* with one row a page."""

    def smaller(route: Route) -> None:
        route.continue_(url=route.request.url.replace("limit=50", "limit=1"))

    page.route(f"**/{name}?limit=50*", smaller)
