"""What people do on the pages, and that the server has it afterwards."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from browser import sign_in, tab
from server import Server, eventually

pytestmark = pytest.mark.browser


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_a_new_credential_is_shown_once_and_its_clouds_yaml_signs_in(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.goto("/console/access")
    button(page, "New credential")
    page.get_by_label("Name").fill("ci")
    button(page, "Create")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("shown once")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="clouds.yaml").click()
    cloud = yaml.safe_load(Path(saved.value.path()).read_text())["clouds"]["stillage"]
    with page.expect_download() as saved:
        page.evaluate("document.querySelector('a[download=\"ca.pem\"]').click()")
    assert Path(saved.value.path()).read_text() == (server.data_folder / "tls" / "ca.pem").read_text()
    auth = cloud["auth"]
    credential = {"id": auth["application_credential_id"], "secret": auth["application_credential_secret"]}
    identity = {"methods": ["application_credential"], "application_credential": credential}
    answer = server.call("POST", f"{urlsplit(auth['auth_url']).path}/auth/tokens", {"auth": {"identity": identity}})
    assert answer.status == 201, answer.body
    button(page, "I have saved it")
    expect(page.get_by_role("row").filter(has_text="ci")).to_be_visible()
    assert credential["secret"] not in page.content()


def test_an_administrator_makes_a_project_a_user_and_a_quota(browser: Browser, server: Server) -> None:
    with tab(browser, server) as admin:
        sign_in(admin, server, "admin", "/admin/projects")
        button(admin, "New project")
        admin.get_by_role("textbox", name="Project").fill("works")
        button(admin, "Create")
        row = admin.get_by_role("row").filter(has_text="works")
        row.get_by_role("button", name="Quota").click()
        admin.get_by_label("Data").fill("2")
        button(admin, "Save")
        expect(row).to_contain_text("0 B of 2 GiB (0 %)")
        admin.goto("/console/admin/users")
        button(admin, "New user")
        admin.get_by_role("textbox", name="User").fill("olga")
        admin.get_by_label("Password").fill("correct horse battery")
        admin.get_by_role("dialog").get_by_label("Project").select_option("works")
        button(admin, "Create")
        expect(admin.get_by_role("row").filter(has_text="olga")).to_contain_text("Enabled")
    with tab(browser, server) as page:
        page.goto("/console/")
        page.get_by_label("User").fill("olga")
        page.get_by_label("Password").fill("correct horse battery")
        button(page, "Sign in")
        expect(page.get_by_role("heading", level=2)).to_have_text("Drop a disk image here")


def test_a_quota_is_not_changed_by_who_has_not_seen_it(browser: Browser, server: Server) -> None:
    with tab(browser, server) as admin:
        admin.route("**/v2/usage?by=project", lambda route: route.abort())
        sign_in(admin, server, "admin", "/admin/projects")
        expect(admin.get_by_role("alert")).to_be_visible()
        expect(admin.get_by_role("button", name="Quota")).to_have_count(0)


def test_roles_are_granted_and_revoked_and_nobody_loses_the_last_administrator(
    browser: Browser, server: Server
) -> None:
    password = "correct horse battery"
    server.cli("user", "create", "rosa", "--project", "demo", "--password-stdin", stdin=f"{password}\n")
    with tab(browser, server) as admin:
        sign_in(admin, server, "admin", "/admin/users")
        roles, question = (
            admin.get_by_role("dialog", name="Roles of"),
            admin.get_by_role("dialog", name="Revoke your own"),
        )
        admin.get_by_role("row").filter(has_text="admin").get_by_role("button", name="Roles").click()
        button(admin, "Revoke admin in demo")
        expect(question).to_contain_text("You will no longer be an administrator in demo.")
        expect(question).to_contain_text("This session ends")
        button(admin, "Revoke")
        expect(question.get_by_role("alert")).to_contain_text("no enabled user would have the role admin")
        button(admin, "Cancel")
        button(admin, "Close")
        row = admin.get_by_role("row").filter(has_text="rosa")
        row.get_by_role("button", name="Roles").click()
        expect(roles.get_by_role("row")).to_have_count(2)
        roles.get_by_label("Role").select_option("admin")
        expect(roles).to_contain_text("Administers the whole deployment")
        button(admin, "Grant")
        expect(roles.get_by_role("row")).to_have_count(3)
        button(admin, "Revoke member in demo")  # of somebody else: not asked about
        expect(roles.get_by_role("row")).to_have_count(2)
        expect(row).to_contain_text("administrator")
    with tab(browser, server) as page:
        page.goto("/console/admin/users")
        page.get_by_label("User").fill("rosa")
        page.get_by_label("Password").fill(password)
        button(page, "Sign in")
        page.get_by_role("row").filter(has_text="rosa").get_by_role("button", name="Roles").click()
        button(page, "Revoke admin in demo")
        button(page, "Revoke")
        expect(page.get_by_label("Password")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert "rosa" not in server.cli("project", "list")


def test_the_audit_is_read_in_pages_and_narrowed_by_who_and_what(browser: Browser, server: Server) -> None:
    image_id = server.create(name="audited")
    for number in range(60):
        server.api("PUT", f"/v2/images/{image_id}/tags/audited-{number}")
    with tab(browser, server) as admin:
        sign_in(admin, server, "admin", f"/admin/audit?target={image_id}")
        rows = admin.get_by_role("row")
        expect(rows).to_have_count(51)
        expect(admin.get_by_role("button", name="Previous")).to_have_count(0)
        button(admin, "Next")
        expect(rows).to_have_count(12)
        expect(admin.get_by_role("button", name="Next")).to_have_count(0)
        expect(rows.last).to_contain_text("create")
        button(admin, "Previous")
        expect(rows).to_have_count(51)
        admin.get_by_label("What").fill("create")
        admin.get_by_label("To", exact=True).fill("2020-01-01")
        button(admin, "Filter")
        expect(admin.locator("main")).to_contain_text("No events.")
        button(admin, "Clear")
        expect(admin.get_by_label("What")).to_have_value("")
        admin.get_by_role("row").filter(has_text=image_id).first.get_by_role("button", name="demo").click()
        expect(admin.get_by_label("ID of a user")).to_have_value(re.compile("[0-9a-f]{32}"))
        expect(rows.filter(has_text="admin")).to_have_count(0)
        admin.goto(f"/console/images/{image_id}/history")
        expect(rows).to_have_count(51)
        button(admin, "Next")
        expect(rows).to_have_count(12)


def test_an_image_is_shared_offered_accepted_and_rejected(browser: Browser, server: Server) -> None:
    server.cli("project", "create", "guests")
    server.cli("user", "create", "greta", "--project", "guests", "--password-stdin", stdin="correct horse battery\n")
    image_id = server.stored(bytes(512), name="shared-golden", visibility="shared")
    with tab(browser, server) as guest:
        guest.goto("/console/access")
        guest.get_by_label("User").fill("greta")
        guest.get_by_label("Password").fill("correct horse battery")
        button(guest, "Sign in")
        project = re.search(r"[0-9a-f]{32}", guest.locator("dt", has_text="Project").locator("+ dd").inner_text())
        assert project
        with tab(browser, server) as owner:
            sign_in(owner, server, path=f"/images/{image_id}/sharing")
            owner.get_by_label("ID of a project").fill(project[0])
            button(owner, "Share")
            expect(owner.get_by_role("row").filter(has_text=project[0])).to_contain_text("Waiting")
            guest.goto("/console/images")
            guest.get_by_role("link", name="Shared with me").click()
            button(guest, "Waiting")
            button(guest, "Accept")
            button(guest, "Accepted")
            expect(guest.get_by_role("link", name="shared-golden")).to_be_visible()
            owner.reload()
            expect(owner.get_by_role("row").filter(has_text=project[0])).to_contain_text("Accepted")
            guest.get_by_role("link", name="shared-golden").click()
            guest.get_by_role("link", name="Sharing").click()
            button(guest, "Reject")
            expect(guest.get_by_text("You rejected this image")).to_be_visible()


def test_several_images_are_tagged_and_deleted_and_what_is_protected_stays(page: Page, server: Server) -> None:
    for name in ("one", "two"):
        server.create(name=f"bulk-{name}")
    server.create(name="bulk-kept", protected=True)
    page.goto("/console/images?q=bulk-")
    page.get_by_label("Select all on this page").check()
    button(page, "Tag")
    page.get_by_role("dialog").get_by_label("Tag").fill("old")
    button(page, "Add the tag")
    expect(page.locator(".tag", has_text="old")).to_have_count(3)
    expect(page.get_by_text("3 images changed.").first).to_be_visible()  # the list is read again before that
    page.get_by_label("Select all on this page").check()
    button(page, "Delete")
    expect(page.get_by_role("dialog")).to_contain_text("1 of them is protected and stays")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 image could not be changed: bulk-kept")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(2)


def test_attributes_change_and_a_download_is_the_file(page: Page, server: Server) -> None:
    data = bytes(range(256)) * 4
    image_id = server.stored(data, name="plain")
    page.goto(f"/console/images/{image_id}")
    page.get_by_label("New tag").fill("first")
    page.keyboard.press("Enter")
    expect(page.locator(".tag", has_text="first")).to_be_visible()
    page.get_by_label("Name of the property").fill("a/b~c")
    page.get_by_label("Value").fill("<i>")
    page.keyboard.press("Enter")
    expect(page.locator("dd", has_text="<i>")).to_be_visible()
    shown = server.show(image_id)
    assert (shown["tags"], shown["a/b~c"]) == (["first"], "<i>")
    button(page, "Actions")
    button(page, "Hide")
    expect(page.get_by_text("plain no longer appears in lists.").first).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert Path(saved.value.path()).read_bytes() == data


def test_commands_on_the_page_do_what_the_page_shows(page: Page, server: Server) -> None:
    server.create(name="it's a name", tags=["cmd"])
    page.goto("/console/images?tag=cmd")
    button(page, "As a command")
    button(page, "curl")
    text = page.locator("dialog pre").inner_text()
    address = re.search(r"'?(https://[^'\s]+)'?", text)
    assert address
    answer = server.api("GET", address[1].removeprefix(server.url))
    assert [image["name"] for image in answer.json["images"]] == ["it's a name"]


def test_the_link_of_the_server_signs_in_once(browser: Browser, server: Server) -> None:
    server.restart()  # a link lasts five minutes
    link = eventually(lambda: re.findall(r"https://\S+/console/#link=\S+", server.output)[1:], "the second link")
    with tab(browser, server) as page:
        page.goto(link[0])
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        expect(page.locator(".who")).to_contain_text("admin")
    with tab(browser, server) as page:
        page.goto(link[0])
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Password")).to_be_visible()


def test_a_list_shows_what_others_make_meanwhile_in_all_tabs(page: Page, server: Server) -> None:
    other = page.context.new_page()  # the one that does not have the stream
    for each in (page, other):
        each.goto("/console/images?q=meanwhile")
        expect(each.get_by_role("heading", level=2)).to_have_text("Nothing found")
    image_id = server.create(name="made meanwhile")
    for each in (page, other):
        expect(each.get_by_role("row").filter(has_text="No data yet")).to_be_visible()
    assert server.upload(image_id, bytes(512)).status == 204
    for each in (page, other):
        expect(each.get_by_role("row").filter(has_text="Active")).to_be_visible()


def test_what_is_typed_slowly_into_the_search_stays(page: Page) -> None:
    search = page.get_by_label("Search by name or ID")
    for part, sought in (("two ", "two"), ("words", r"two\+words")):
        search.press_sequentially(part)
        expect(page).to_have_url(re.compile(rf"\?q={sought}$"))
    expect(search).to_have_value("two words")
    page.get_by_role("button", name="Clear search and filters").click()
    expect(search).to_have_value("")
