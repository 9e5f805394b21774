"""Takes the pictures of docs/console.md from a running server: every page, light, dark and narrow.

Run by ``make console-pictures``. Needs Chromium, pngquant, qemu-img, sfdisk and mke2fs; looks as meant with Debian's
fonts-inter.
"""

import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from browser import chromium, sign_in, tab
from server import Server
from stillage.db.session import make_engine
from stillage.db.tables import images

FOLDER = Path(__file__).parents[1] / "docs" / "console"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1120, "height": 720}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1120, "height": 720}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 390, "height": 720}},
}
PAGES = {
    "images": "/images", "image": "/images/ID", "disk": "/images/ID/disk", "sharing": "/images/ID/sharing",
    "history": "/images/ID/history", "use": "/images/ID/use", "jobs": "/jobs", "access": "/access", "help": "/help",
    "admin": "/admin", "projects": "/admin/projects", "users": "/admin/users", "audit": "/admin/audit",
    "rules": "/admin/rules", "settings": "/admin/settings",
}  # fmt: skip
RECORDS: list[tuple[str, str, list[str], int]] = [
    ("ubuntu-26.04-server", "ubuntu", ["ubuntu", "lts"], 3),
    ("windows-server-2025", "windows", ["windows"], 9),
    ("golden-web", "debian", ["web", "nightly"], 26),
    ("rocky-10-minimal", "rocky", ["rocky"], 41),
]
# Where the disk has data: begin and length in MiB.
DATA = [(2, 6), (120, 60), (200, 3), (230, 90), (345, 2), (360, 2), (390, 40), (520, 4), (560, 18), (700, 1), (820, 12)]
TABLE = "label: gpt\nsize=100MiB, type=uefi, name=EFI\nsize=900MiB, type=linux, name=root\ntype=swap, name=swap\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        server = Server(Path(folder) / "data", tls=True, max_project_bytes=50 << 30)
        try:
            server.start()
            image_id = fill(server, Path(folder))
            for look, options in LOOKS.items():
                take_all(browser, server, image_id, Path(folder), look, options)
        finally:
            server.close()
    subprocess.run(["pngquant", "--force", "--ext", ".png", "--speed", "1", "48", *FOLDER.glob("*.png")], check=True)


def take_all(browser: Browser, server: Server, image_id: str, folder: Path, look: str, options: dict[str, Any]) -> None:
    with tab(browser, server, **options) as page:
        page.goto("/console/")
        expect(page.get_by_label("User")).to_be_focused()
        take(page, "sign-in", look)
        sign_in(page, server, "admin")
        for name, path in PAGES.items():
            page.goto(f"/console{path.replace('ID', image_id)}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator("[aria-busy]")).to_have_count(0)
            take(page, name, look)
        take_connection(page, look)
        take_upload(page, folder, look)


def take_connection(page: Page, look: str) -> None:
    """Check the connection, and take what was found."""
    page.goto("/console/connection")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("main .hint")).to_be_visible()
    take(page, "connection", look)


def take_upload(page: Page, folder: Path, look: str) -> None:
    """Upload an image that becomes active and one that is refused, and take the dock."""
    page.goto("/console/images?q=debian")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="New image").click()
    good = folder / f"debian-{look}.qcow2"
    good.write_bytes((folder / "disk.qcow2").read_bytes())
    chooser.value.set_files([good, folder / "bad.qcow2"])
    take(page, "new-images", look)
    page.get_by_role("button", name="Upload 2 images").click()
    expect(page.locator(".dock")).to_contain_text("Refused.")
    expect(page.locator(".dock")).to_contain_text("Active.")
    take(page, "uploads", look)


def take(page: Page, name: str, look: str) -> None:
    page.screenshot(path=FOLDER / f"{name}-{look}.png", animations="disabled", caret="hide")


def fill(server: Server, folder: Path) -> str:
    """Give *server* images as a team has them; return the id of one with partitions."""
    disk = partitioned(folder)
    image_id = server.stored(disk, name="debian-13-genericcloud", disk_format="qcow2", tags=["debian", "stable"],
                             os_distro="debian", hw_disk_bus="virtio", min_disk=2, protected=True)  # fmt: skip
    ages = {image_id: 1}
    for name, distribution, tags, days in RECORDS:
        ages[server.stored(disk, name=name, disk_format="qcow2", tags=tags, os_distro=distribution)] = days
    server.create(name="router-vyos", disk_format="vmdk")
    refused = server.create(name="appliance-of-a-vendor", disk_format="qcow2")
    bad = folder / "bad.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", "-u", str(bad), "2G")
    server.upload(refused, bad.read_bytes())
    server.api("POST", f"/v2/images/{image_id}/members", {"member": "b2f0c1a9d4e84e0f8f3f1f0f5b7d9a11"})
    age(server, ages)
    return image_id


def partitioned(folder: Path) -> bytes:
    """Return a qcow2 with a partition table, a file system and data here and there."""
    raw, packed = folder / "disk.raw", folder / "disk.qcow2"
    with raw.open("wb") as file:
        file.truncate(2 << 30)
    run("sfdisk", "--quiet", str(raw), stdin=TABLE)
    run("mke2fs", "-q", "-t", "ext4", "-E", f"offset={101 << 20}", "-L", "root", str(raw), "800M")
    with raw.open("r+b") as file:
        for begin, length in DATA:
            file.seek(begin << 20)
            file.write(b"data" * (length << 18))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", str(raw), str(packed))
    return packed.read_bytes()


def run(program: str, *words: str, stdin: str = "") -> None:
    path = next(
        (found for found in (Path("/usr/sbin") / program, Path("/usr/bin") / program) if found.exists()), program
    )
    subprocess.run([path, *words], input=stdin, text=True, check=True)


def age(server: Server, ages: dict[str, int]) -> None:
    """Let images be some days old."""
    engine = make_engine(f"sqlite:///{server.data_folder / 'stillage.db'}")
    with engine.begin() as connection:
        for image_id, days in ages.items():
            then = datetime.now(UTC) - timedelta(days=days)
            connection.execute(update(images).where(images.c.id == image_id).values(created_at=then, updated_at=then))
    engine.dispose()


if __name__ == "__main__":
    main()
