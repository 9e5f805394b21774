"""A person signs in, finds an image, looks at it, and signs out, in a real browser over TLS."""

from playwright.sync_api import Browser, expect

from browser import sign_in, tab
from server import Server

NAME = "<b>fedora</b> 'x\" \u05d0\u05d1\u05d2 & \u202ereversed"


def test_a_person_signs_in_finds_an_image_and_signs_out(server: Server, browser: Browser) -> None:
    server.stored(bytes(512), name="debian")
    image_id = server.stored(bytes(512), name=NAME, tags=["nightly"])
    with tab(browser, server) as page:
        sign_in(page, server, path=f"/images?tag=nightly&q={NAME[3:6]}")
        row = page.get_by_role("row").filter(has_text="fedora")
        expect(row).to_contain_text(NAME)
        expect(page.get_by_role("row")).to_have_count(2)  # with the head
        row.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
        expect(page).to_have_url(f"{server.url}/console/images/{image_id}")
        expect(page.locator("main")).to_be_focused()
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.go_back()
        expect(page.get_by_label("Password")).to_be_visible()
