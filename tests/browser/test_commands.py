"""What a page prints "as a command" is typed into a shell as it is, and the server does it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import sign_in, tab
from clients import ENVIRONMENTS
from running import TIMEOUT_S
from server import COMMAND, Server

pytestmark = pytest.mark.thorough

NAME = 'it\'s a "golden" $(image)'
PAGES = {
    "/images?tag=cmd": ("curl", "openstack", "stillage"),
    "/images?q=golden&status=active&disk_format=raw&sort=name:asc": ("curl", "openstack"),
    "/images?tab=shared&sort=name:desc&offer=pending": ("curl", "openstack"),
    "/images?tab=public": ("curl", "stillage"),
    "/images?tab=hidden": ("curl", "openstack", "stillage"),
    "/images/ID": ("curl", "openstack", "stillage"),
    "/images/ID/disk": ("curl",),
    "/images/ID/sharing": ("curl", "openstack", "stillage"),
    "/images/ID/history": ("curl",),
    "/jobs": ("curl", "openstack", "stillage"),
    "/access": ("curl",),
    "/admin": ("curl",),
    "/admin/projects": ("curl",),
    "/admin/users": ("curl",),
    "/admin/uploads": ("curl",),
    "/admin/audit": ("curl",),
    "/admin/rules": ("curl",),
    "/admin/settings": ("curl",),
    "/help": ("curl", "openstack"),
}
"""Every page with the programs that are started for it: those whose commands differ from page to page."""


class Shell:
    """Somebody's shell: clouds.yaml, a token, a password and ca.pem are where the pages say that they are."""

    def __init__(self, server: Server, home: Path) -> None:
        self.home, self.token = home, server.token("admin")
        (home / "ca.pem").write_text((server.data_folder / "tls" / "ca.pem").read_text())
        self.environment = {
            "HOME": str(home),
            "PATH": f"{ENVIRONMENTS}/openstackclient/bin:{COMMAND.parent}:{os.environ['PATH']}",
            "OS_CLIENT_CONFIG_FILE": str(server.data_folder / "clouds.yaml"),
            "OS_CLOUD": "stillage-admin",
            "OS_PASSWORD": server.clouds["stillage-admin"]["auth"]["password"],
            "STILLAGE_DATA": str(server.data_folder),
            "COLUMNS": "200",
            "LANG": "C.UTF-8",
        }

    def __call__(self, script: str, **changes: str) -> str:
        """Type *script*; return what it prints. curl fails if the server refuses."""
        # Of the shell alone, as the pages have it: openstackclient would take it from the environment.
        typed = f"set -e\nOS_TOKEN={self.token}\n" + script.replace("curl -sS", "curl -sS --fail-with-body")
        environment = {name: value for name, value in {**self.environment, **changes}.items() if value}
        done = subprocess.run(["bash", "-c", typed], cwd=self.home, env=environment, capture_output=True, text=True,
                              check=False, timeout=TIMEOUT_S)  # fmt: skip
        assert done.returncode == 0, f"{typed}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def take(self, name: str) -> list[bytes]:
        """Return what files are there whose name begins with *name*, and remove them."""
        found = [path for path in self.home.iterdir() if path.name.startswith(name)]
        contents = [path.read_bytes() for path in found]
        for path in found:
            path.unlink()
        return contents


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    return Shell(server, tmp_path)


@pytest.fixture
def admin(browser: Browser, server: Server) -> Iterator[Page]:
    with tab(browser, server) as page:
        sign_in(page, server, "admin")
        yield page


@pytest.fixture(scope="module")
def image_id(server: Server) -> str:
    return server.stored(b"bytes of a disk" * 4096, name=NAME, tags=["cmd"], visibility="shared")


def printed(page: Page, program: str) -> str:
    """Return what the open dialog prints for *program*."""
    dialog = page.locator("dialog")
    dialog.get_by_role("button", name=program, exact=True).click()
    expect(dialog.get_by_role("button", name=program, exact=True)).to_have_attribute("aria-pressed", "true")
    return dialog.locator("pre").inner_text()


def test_every_page_prints_commands_that_work(admin: Page, server: Server, image_id: str, shell: Shell) -> None:
    said, saved = {}, []
    for path, programs in PAGES.items():
        admin.goto(f"/console{path.replace('ID', image_id)}")
        admin.get_by_role("button", name="As a command").click()
        for program in programs:
            said[path, program] = shell(printed(admin, program))
            saved += shell.take("it's")
    for path in ("/images?tag=cmd", "/images?q=golden&status=active&disk_format=raw&sort=name:asc", "/images/ID"):
        for program in PAGES[path]:
            assert image_id in said[path, program], (path, program, said[path, program])
    assert saved == [server.download(image_id).body] * 3


def test_who_is_not_signed_in_learns_how_programs_get_a_token(browser: Browser, server: Server, shell: Shell) -> None:
    with tab(browser, server) as page:
        page.goto("/console/sign-in")
        page.get_by_label("User").fill("admin")
        page.get_by_label("Project").fill("demo")
        page.get_by_role("button", name="As a command").click()
        by_curl, by_stillage = printed(page, "curl"), printed(page, "stillage")
        by_openstack = printed(page, "openstack")
    use = f'curl -sS --cacert ca.pem "{server.url}/v2/status" -H "X-Auth-Token: $OS_TOKEN"'
    for script in (by_curl, f"OS_TOKEN=$({by_openstack})", f"OS_TOKEN=$({by_stillage})"):
        assert "stores" in shell(f"{script}\n{use}", OS_CLOUD="", OS_CLIENT_CONFIG_FILE=""), script


def test_what_an_import_and_a_share_print_is_done(admin: Page, server: Server, image_id: str, shell: Shell) -> None:
    admin.goto("/console/jobs")
    admin.get_by_role("button", name="Import from a URL").click()
    admin.get_by_label("URL of the file").fill("https://192.0.2.1/x y.qcow2")
    admin.get_by_label("Name").fill("not there")
    admin.locator("dialog summary").click()
    made = shell(printed(admin, "curl").partition("\n\n")[0])
    assert '"not there"' in made
    admin.goto(f"/console/images/{image_id}/sharing")
    admin.get_by_role("button", name="stillage", exact=True).click()
    script = admin.locator("main pre").inner_text()
    assert "0123456789abcdef" * 2 in shell(script.replace("PROJECT_ID", "0123456789abcdef" * 2))


def test_what_the_roles_of_a_user_print_is_done(admin: Page, server: Server, shell: Shell) -> None:
    server.cli("user", "create", "o'rourke", "--project", "demo", "--password-stdin", stdin="correct horse battery\n")
    admin.goto("/console/admin/users")
    admin.get_by_role("row").filter(has_text="o'rourke").get_by_role("button", name="Roles").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Role").select_option("reader")
    dialog.locator("summary").click()
    for program in ("curl", "openstack", "stillage"):
        said = shell(printed(admin, program))
        assert "o'rourke" in said, (program, said)
