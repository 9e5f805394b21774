"""Every flow by the keyboard alone."""

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import CLOUDS, tab, tab_to
from server import Server

pytestmark = pytest.mark.browser


def test_from_signing_in_to_deleting_a_protected_image_and_signing_out(server: Server, browser: Browser) -> None:
    server.stored(bytes(512), name="golden", protected=True)
    server.stored(bytes(512), name="other")
    with tab(browser, server) as page:
        press, write = page.keyboard.press, page.keyboard.type
        page.goto("/console/")
        expect(page.get_by_label("User")).to_be_focused()
        write("demo")
        press("Tab")
        write("wrong")
        press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("User")).to_have_value("demo")
        press("Control+A")
        write(server.clouds[CLOUDS["demo"]]["auth"]["password"])
        press("Enter")
        expect(page.get_by_role("row")).to_have_count(3)

        press("/")
        expect(page.get_by_label("Search by name or ID")).to_be_focused()
        write("golden")
        expect(page.get_by_role("row")).to_have_count(2)
        tab_to(page, "golden", role="link")
        press("j")
        press("k")
        expect(page.get_by_role("link", name="golden")).to_be_focused()
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("golden")

        tab_to(page, "Actions", role="button")
        press("Enter")
        tab_to(page, "Delete", role="button")
        press("Enter")
        action = page.get_by_role("dialog").get_by_role("button", name="Delete")
        expect(action).to_be_disabled()
        tab_to(page, "To confirm, type golden")
        write("golden")
        press("Enter")
        expect(page.get_by_text("golden has been deleted.").first).to_be_visible()  # for some seconds
        expect(page.get_by_role("row")).to_have_count(2)

        press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        write("ga")  # at once: a pair of keys has its time
        expect(page.get_by_role("heading", level=1)).to_have_text("Access")
        tab_to(page, "Sign out", role="button")
        press("Enter")
        expect(page.get_by_label("Password")).to_be_visible()


def test_a_dialog_gives_the_focus_back_and_letters_in_a_field_are_text(page: Page, server: Server) -> None:
    page.goto("/console/access")
    tab_to(page, "New credential", role="button")
    page.keyboard.press("Enter")
    tab_to(page, "Name")
    page.keyboard.type("g i ? / u")
    expect(page.get_by_label("Name")).to_have_value("g i ? / u")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New credential")).to_be_focused()


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.goto("/console/help")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
