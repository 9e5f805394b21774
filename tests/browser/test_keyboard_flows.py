"""What people do with images, and what administrators do, by the keyboard alone.

Signing in, search, the list, an image, deletion and signing out are in `test_keyboard`, uploads in `test_dock`.
"""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import sign_in, tab, tab_to
from server import Server

pytestmark = pytest.mark.browser


def act(page: Page, name: str, *, key: str = "Enter", role: str = "button") -> None:
    """Go to what is called *name*, and press *key* there."""
    tab_to(page, name, role=role)
    page.keyboard.press(key)


def write(page: Page, name: str, text: str) -> None:
    tab_to(page, name)
    page.keyboard.type(text)


def test_images_are_chosen_tagged_and_deleted_together(page: Page, server: Server) -> None:
    for name in ("one", "two"):
        server.create(name=f"keys-{name}")
    page.goto("/console/images?q=keys-")
    expect(page.get_by_role("row")).to_have_count(3)
    act(page, "Select all on this page", key="Space", role="checkbox")
    act(page, "Tag")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Tag")).to_be_focused()
    page.keyboard.type("old")
    page.keyboard.press("Enter")
    expect(page.locator(".tag", has_text="old")).to_have_count(2)
    expect(page.get_by_text("2 images changed.").first).to_be_visible()
    act(page, "Select all on this page", key="Space", role="checkbox")
    act(page, "Delete")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    act(page, "Delete")
    expect(dialog).to_be_visible()
    tab_to_in(page, "Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(0)
    assert not [image for image in server.api("GET", "/v2/images").json["images"] if "keys-" in image["name"]]


def tab_to_in(page: Page, name: str) -> None:
    """Press Tab until the button *name* of the open dialog has the focus."""
    wanted = page.get_by_role("dialog").get_by_role("button", name=name, exact=True)
    for _ in range(20):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name} in the dialog")


def test_an_image_is_described_shared_hidden_and_shown_as_a_command(page: Page, server: Server) -> None:
    image_id = server.stored(bytes(512), name="described", visibility="shared")
    page.goto(f"/console/images/{image_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("described")
    write(page, "New tag", "nightly")
    page.keyboard.press("Enter")
    expect(page.locator(".tag", has_text="nightly")).to_be_visible()
    write(page, "Name of the property", "build")
    write(page, "Value", "17")
    page.keyboard.press("Enter")
    expect(page.locator("dd", has_text="17")).to_be_visible()
    act(page, "As a command")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to_in(page, "curl")
    page.keyboard.press("Enter")
    expect(page.locator("dialog pre")).to_contain_text("curl")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="As a command").first).to_be_focused()
    act(page, "Actions")
    act(page, "Hide")
    expect(page.get_by_text("described no longer appears in lists.").first).to_be_visible()
    act(page, "Sharing", role="link")
    write(page, "ID of a project", "b" * 32)
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text="b" * 32)).to_contain_text("Waiting")
    for name in ("Disk", "History", "Use it", "Overview"):
        act(page, name, role="link")
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
    shown = server.show(image_id)
    assert (shown["tags"], shown["build"], shown["os_hidden"]) == (["nightly"], "17", True)


def test_an_administrator_makes_a_project_and_a_user(browser: Browser, server: Server) -> None:
    with tab(browser, server) as admin:
        sign_in(admin, server, "admin", "/admin/projects")
        act(admin, "New project")
        tab_to(admin, "Project", role="textbox")
        admin.keyboard.type("keyboards")
        admin.keyboard.press("Enter")
        expect(admin.get_by_role("row").filter(has_text="keyboards")).to_be_visible()
        act(admin, "Users", role="link")
        act(admin, "New user")
        tab_to(admin, "User", role="textbox")
        admin.keyboard.type("kim")
        write(admin, "Password", "correct horse battery")
        admin.keyboard.press("Enter")
        expect(admin.get_by_role("row").filter(has_text="kim")).to_contain_text("Enabled")


@dataclass(frozen=True)
class Dialog:
    """A dialog that the button *opens* on *path*. The *keys* fill it, the first field having the focus, and send it.

    *shows*: what the page has then. *undo*: keys that make everything as it was, in the same dialog.
    """

    user: str
    path: str
    opens: str
    keys: tuple[str, ...]
    shows: str
    undo: tuple[str, ...] = ()


DIALOGS = [
    Dialog("admin", "/admin/projects", "Quota", ("2", "Enter"), "of 2 GiB", ("Control+A", "Delete", "Enter")),
    Dialog("admin", "/admin/users", "Set password", ("Escape",), "Set password"),
    Dialog("demo", "/jobs", "Import from a URL", ("Escape",), "Import from a URL"),
    Dialog("demo", "/images", "As a command", ("Tab", "Enter", "Escape"), "As a command"),
]  # fmt: skip


def test_dialogs_are_filled_and_sent_and_give_the_focus_back(browser: Browser, server: Server) -> None:
    server.create(name="anything")
    for user in ("admin", "demo"):
        with tab(browser, server) as page:
            sign_in(page, server, user)
            for dialog in (each for each in DIALOGS if each.user == user):
                page.goto(f"/console{dialog.path}")
                for keys in filter(None, (dialog.keys, dialog.undo)):
                    tab_to(page, dialog.opens, role="button")
                    opener = page.evaluate_handle("document.activeElement")
                    page.keyboard.press("Enter")
                    expect(page.get_by_role("dialog")).to_be_visible()
                    for key in keys:
                        is_key = len(key) > 1 and key[0].isupper()
                        page.keyboard.press(key) if is_key else page.keyboard.type(key)
                    expect(page.get_by_role("dialog")).to_have_count(0)
                    if keys == dialog.keys:
                        expect(page.get_by_text(dialog.shows).first).to_be_visible()
                    assert page.evaluate("element => element === document.activeElement", opener), dialog


def test_a_refused_import_keeps_the_focus_and_leaves_no_image(page: Page, server: Server) -> None:
    page.goto("/console/jobs")
    act(page, "Import from a URL")
    expect(page.get_by_label("URL of the file")).to_be_focused()
    page.keyboard.type("https://192.0.2.1/x.qcow2")
    write(page, "Name", "fetched")
    tab_to_in(page, "Import")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("its address is not public")
    expect(page.get_by_role("dialog").get_by_role("button", name="Import")).to_be_focused()
    assert not server.api("GET", "/v2/images?name=fetched").json["images"]
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Import from a URL")).to_be_focused()


def test_lists_are_filtered_and_what_is_chosen_keeps_the_focus(page: Page, server: Server) -> None:
    server.create(name="waiting")
    server.stored(bytes(512), name="ready", tags=["web"])
    page.goto("/console/images")
    for key, status in (("ArrowDown", "active"), ("ArrowDown", "queued")):
        act(page, "Status", key=key, role="combobox")
        expect(page).to_have_url(re.compile(f"status={status}$"))
        expect(page.get_by_role("combobox", name="Status")).to_be_focused()
    expect(page.get_by_role("row").filter(has_text="waiting")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="ready")).to_have_count(0)
    act(page, "Remove the filter Status: No data yet")
    expect(page.get_by_label("Search by name or ID")).to_be_focused()
    write(page, "Tag", "web")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text="waiting")).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="ready")).to_be_visible()


def test_the_colours_are_chosen(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Images")
    tab_to(page, "Colours", role="combobox")
    for key, theme in (("ArrowDown", "light"), ("ArrowDown", "dark")):
        page.keyboard.press(key)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.get_by_label("Colours")).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator("html[data-theme]")).to_have_count(0)


def test_roles_are_granted_and_revoked_and_the_audit_is_narrowed(browser: Browser, server: Server) -> None:
    server.cli("user", "create", "aaron", "--project", "demo", "--password-stdin", stdin="correct horse battery\n")
    with tab(browser, server) as admin:
        sign_in(admin, server, "admin", "/admin/users")
        act(admin, "Roles")  # of the first user, by name
        dialog = admin.get_by_role("dialog")
        expect(dialog).to_contain_text("Roles of aaron")
        tab_to(admin, "Role", role="combobox")
        admin.keyboard.type("reader")
        act(admin, "Grant")
        expect(dialog.get_by_role("row")).to_have_count(3)
        act(admin, "Revoke reader in demo")
        expect(dialog.get_by_role("row")).to_have_count(2)
        admin.keyboard.press("Escape")
        expect(admin.get_by_role("button", name="Roles").first).to_be_focused()
        act(admin, "Audit", role="link")
        write(admin, "What", "deny")
        admin.keyboard.press("Enter")
        expect(admin.get_by_role("row")).to_have_count(2)
        act(admin, "Clear")
        expect(admin.get_by_role("row").filter(has_text="allow").first).to_be_visible()


def test_the_language_is_chosen(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Images")
    language = page.locator(".who select").nth(0)
    for _ in range(160):
        if language.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("D")  # the page loads again at once, and would take more letters for its own keys
    expect(page.locator("html")).to_have_attribute("lang", "de")
