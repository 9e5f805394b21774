"""The first page is small, a long list does not make the browser wait, and what people type as names does no harm."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import insert, select

from browser import sign_in, tab
from server import Server
from stillage.db.session import make_engine
from stillage.db.tables import images

pytestmark = pytest.mark.browser

MOST_BYTES = 100_000
MOST_REQUESTS = 8
PAGES = 4
ROWS = 30
MOST_ELEMENTS = 2000
COUNT_ROWS = """
const format = Intl.RelativeTimeFormat.prototype.format;
window.drawnRows = 0;
Intl.RelativeTimeFormat.prototype.format = function (...given) {
  window.drawnRows += 1;
  return format.apply(this, given);
};
"""
"""Each row shows one age, so the ages that are formatted count the rows that are drawn."""
NAMES = [
    "<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "'\"`${alert(3)}", "{name} {count}",
    "\u202eexe.2wocq", "\u05e9\u05dc\u05d5\u05dd עולם", "مرحبا", "a" * 255, "🖥" * 60,
]  # fmt: skip
OBSERVE = """
window.longTasks = [];
new PerformanceObserver(list => longTasks.push(...list.getEntries().map(entry => entry.duration)))
  .observe({type: 'longtask', buffered: true});
"""


def traffic(page: Page) -> list[tuple[str, int]]:
    """Begin to note the address and the size of every answer as it travels."""
    seen: list[tuple[str, int]] = []

    def note(request: Any) -> None:
        sizes = request.sizes()
        seen.append((request.url, sizes["responseBodySize"] + sizes["responseHeadersSize"]))

    page.on("requestfinished", note)
    return seen


def test_the_first_page_is_small_and_takes_few_requests(browser: Browser, server: Server) -> None:
    for number in range(50):
        server.create(name=f"image {number}", tags=["nightly"])
    with tab(browser, server) as page:
        seen = traffic(page)
        page.goto("/console/")
        expect(page.get_by_label("User")).to_be_visible()
        assert len(seen) <= MOST_REQUESTS, seen
        assert sum(size for _, size in seen) <= MOST_BYTES, seen
        sign_in(page, server)
    with tab(browser, server) as page:
        sign_in(page, server)
        page.context.new_page().close()
        fresh = browser.new_context(
            ignore_https_errors=True, base_url=server.url, storage_state=page.context.storage_state()
        )
        first = fresh.new_page()
        seen = traffic(first)
        first.goto("/console/images")
        expect(first.get_by_role("row")).to_have_count(31)
        assert len(seen) <= MOST_REQUESTS, seen
        assert sum(size for _, size in seen) <= MOST_BYTES, seen
        fresh.close()


def test_ten_thousand_images_are_paged_without_a_long_task(
    browser: Browser, server: Server, record_property: Callable[[str, object], None]
) -> None:
    fill(server, 10_000)
    with tab(browser, server) as page:
        sign_in(page, server)
        page.evaluate(OBSERVE)
        for _ in range(PAGES):
            before = page.get_by_role("row").nth(1).inner_text()
            page.get_by_role("button", name="Next").click()
            expect(page.get_by_role("row").nth(1)).not_to_have_text(before, use_inner_text=True)
        page.get_by_role("button", name="Previous").click()
        page.get_by_role("button", name="First page").click()
        page.get_by_label("Search by name or ID").fill("image 7777")
        expect(page.get_by_role("row")).to_have_count(2)
        expect(page.get_by_role("button", name="Next")).to_have_count(0)
        record_property("longest_task_ms", max(page.evaluate("longTasks"), default=0))  # 50 on a machine at rest


def test_a_page_of_the_list_is_drawn_once(browser: Browser, server: Server) -> None:
    fill(server, 2 * ROWS)
    with tab(browser, server) as page:
        page.route("**/v2/events", lambda route: route.abort())  # whoever listens reads the list again
        page.add_init_script(COUNT_ROWS)
        sign_in(page, server, path="/images?q=image")
        expect(page.get_by_role("row")).to_have_count(ROWS + 1)
        before = page.get_by_role("row").nth(1).inner_text()
        page.evaluate("window.drawnRows = 0")
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("row").nth(1)).not_to_have_text(before, use_inner_text=True)
        page.get_by_label("Search by name or ID").press("Tab")
        assert page.evaluate("window.drawnRows") == ROWS
        assert page.evaluate("document.querySelectorAll('*').length") < MOST_ELEMENTS


def test_names_are_texts_whatever_they_look_like(browser: Browser, server: Server) -> None:
    for name in NAMES:
        server.create(name=name, tags=["hostile", name], os_distro=name)
    with tab(browser, server) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        sign_in(page, server, path="/images?tag=hostile")
        expect(page.get_by_role("row")).to_have_count(len(NAMES) + 1)
        for name in NAMES:
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(name)
            page.go_back()
        widest = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert widest <= 0  # less by a scroll bar


def test_an_image_with_thousands_of_tags_shows_some_and_says_how_many_more(browser: Browser, server: Server) -> None:
    image_id = server.create(name="tagged")
    with tab(browser, server) as page:
        sign_in(page, server)
        image = server.show(image_id) | {"tags": [f"tag {number}" for number in range(10_000)]}
        page.route(f"**/v2/images/{image_id}", lambda route: route.fulfill(json=image))
        page.goto(f"/console/images/{image_id}")
        more = page.get_by_role("button", name="and 9,940 more")
        expect(more).to_be_visible()
        more.click()
        expect(page.get_by_role("button", name="and 9,740 more")).to_be_visible()


def test_a_session_that_ends_is_asked_for_again_and_the_page_goes_on(browser: Browser, server: Server) -> None:
    server.stored(bytes(512), name="debian")
    with tab(browser, server) as page:
        sign_in(page, server, path="/images?q=debian")
        expect(page.get_by_role("row").filter(has_text="debian")).to_be_visible()
        page.context.clear_cookies()
        page.get_by_role("button", name="Name", exact=True).dispatch_event("click")  # a dialog may be above it already
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Sign in again")
        page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        expect(dialog.get_by_label("User")).to_have_value("demo")
        dialog.get_by_label("Password").fill(server.clouds["stillage"]["auth"]["password"])
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("row").filter(has_text="debian")).to_be_visible()
        expect(page).to_have_url(f"{server.url}/console/images?q=debian&sort=name%3Aasc")


def test_a_refusal_of_before_signing_in_again_does_not_ask_once_more(page: Page, server: Server) -> None:
    late: list[Route] = []

    def hold_the_first(route: Route) -> None:
        late.append(route)
        if len(late) > 1:
            route.continue_()

    page.route("**/application_credentials", hold_the_first)
    page.context.clear_cookies()
    with page.expect_request("**/application_credentials"):  # a dialog may be above the link already
        page.get_by_role("link", name="Access").dispatch_event("click")  # asks for access keys as well
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Password").fill(server.clouds["stillage"]["auth"]["password"])
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)
    late[0].fulfill(status=401, json={"error": {"code": 401, "message": "no session"}})
    expect(page.locator("[aria-busy]")).to_have_count(0)  # the second answer is there
    expect(dialog).to_have_count(0)
    assert len(late) == 2


def fill(server: Server, count: int) -> None:
    """Write *count* records into the server's database, which would take minutes by requests."""
    model = server.create(name="image 0")
    engine = make_engine(f"sqlite:///{server.data_folder / 'stillage.db'}")
    with engine.connect() as connection:
        row = connection.execute(select(images).where(images.c.id == model)).mappings().one()
    records = [{**row, "id": str(uuid4()), "name": f"image {number}"} for number in range(1, count)]
    with engine.begin() as connection:  # begun by a write: after a read SQLite does not wait for the server's lock
        connection.execute(insert(images), records)
    engine.dispose()
