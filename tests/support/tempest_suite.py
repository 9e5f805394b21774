"""Run OpenStack's tempest, its tests of images, against a real server with its own identity.

``make test-tempest`` runs it, ``TEMPEST_ARGS="tempest.api.image.v2.test_images"`` chooses modules. It fails if a test
fails, or is skipped for a reason that is not in `SKIPPED`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from clients import executable
from server import Server

PEOPLE = (
    ("erin", "lab", "member"),
    ("rita", "lab", "reader"),
    ("olga", "works", "member"),
    ("otto", "works", "reader"),
    ("ada", "ops", "admin"),
)
"""User, project and role. A test takes one for each kind of user that it needs."""

SKIPPED: Mapping[str, str] = {
    "Image format enforcement prevents testing with bogus image data": "its images are random bytes called qcow2 and "
    "so on; Stillage, and Glance by default, refuse such bytes",
    "Nova is not available": "boots images, for which Nova is needed",
    "Target system is not configured with glance caching": "the cache of Glance is off by default",
    "No image_remote service to test against": "needs a second Glance on the same database",
    "show_multiple_locations is not available": "changes locations by PATCH, which Glance forbids by default",
    "http store is disabled": "needs Glance's store that keeps nothing and reads from other servers",
    "do_secure_hash is enabled": "tests what happens if hashes are not computed",
    "store weight is not configured": "expects weights in a list that ordinary users see; Glance shows none by default",
    "https://launchpad.net/bugs/2030527": "tempest skips it everywhere, for a bug of Glance",
}
"""A part of what tempest says when it skips tests, and why that is right here."""

SETTINGS = """\
[DEFAULT]
log_dir = {folder}
log_file = tempest.log
[oslo_concurrency]
lock_path = {folder}/locks
[auth]
use_dynamic_credentials = false
test_accounts_file = {folder}/accounts.yaml
[identity]
uri_v3 = {url}/identity/v3
auth_version = v3
region = RegionOne
[identity-feature-enabled]
api_v2 = false
[enforce_scope]
glance = true
[service_available]
cinder = false
horizon = false
neutron = false
nova = false
swift = false
[image]
build_timeout = 60
http_image = {source}/disk.img
http_qcow2_image = {source}/disk.qcow2
"""

STORES = """
[[stores]]
id = "fast"
type = "files"
path = "fast"
default = true

[[stores]]
id = "slow"
type = "files"
path = "slow"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run tempest's tests of images against Stillage.")
    parser.add_argument("modules", nargs="*", help="modules or tests; all of tempest.api.image if none is given")
    modules = parser.parse_args().modules
    with tempfile.TemporaryDirectory(prefix="tempest-") as name, serving(Path(name)) as folder:
        results = list(run(folder, modules))
    return report(results)


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """Start the server and what it imports images from, and write tempest's settings to *folder*."""
    (folder / "stillage.toml").write_text(STORES)
    server = Server(folder / "data", arguments=("--config", str(folder / "stillage.toml")))
    try:
        server.start()
        (folder / "accounts.yaml").write_text(json.dumps([account(server, *person) for person in PEOPLE]))
        with web_server(folder / "web") as source:
            (folder / "tempest.conf").write_text(SETTINGS.format(folder=folder, url=server.url, source=source))
            yield folder
    finally:
        server.close()


def account(server: Server, user: str, project: str, role: str) -> dict[str, Any]:
    """Make a user with this *role*, and return how tempest names it."""
    if project not in server.cli("project", "list"):
        server.cli("project", "create", project)
    password = f"password of {user}"
    server.cli(
        *("user", "create", user, "--project", project, "--role", role, "--password-stdin"), stdin=f"{password}\n"
    )
    return {"username": user, "project_name": project, "password": password, "roles": [role], "domain_name": "Default"}


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve two small images, and yield the URL of their folder."""
    folder.mkdir()
    (folder / "disk.img").write_bytes(bytes(4096) + bytes(range(256)) * 64)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / "disk.qcow2"), "1M"], check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write nothing."""


def run(folder: Path, modules: list[str]) -> Iterator[dict[str, Any]]:
    """Run tempest, and yield what it says of each test."""
    script = Path(__file__).with_name("run_tempest.py")
    named = {"TEMPEST_CONFIG_DIR": str(folder), "TEMPEST_CONFIG": "tempest.conf"}
    command = [executable("tempest", "python"), "-W", "ignore", str(script), *modules]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin", **named}
    ) as tempest:
        assert tempest.stdout
        for line in tempest.stdout:
            yield json.loads(line)


def report(results: list[dict[str, Any]]) -> int:
    """Write what failed, what was skipped and why, and the sums. Return the exit status."""
    head, *rest = results
    outcomes = Counter(result["outcome"] for result in rest)
    failed = [result for result in rest if result["outcome"] == "failed"]
    skipped = [result for result in rest if result["outcome"] == "skipped"]
    strange = [result for result in skipped if not any(known in result["why"] for known in SKIPPED)]
    for result in failed:
        say(f"FAILED {result['test']}\n{result['why']}")
    for result in skipped:
        say(f"{'SKIPPED WITHOUT REASON' if result in strange else 'skipped'} {result['test']}: {result['why']}")
    say(f"{head['tests']} tests: {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}")
    say("A class that is skipped counts once.")
    return 1 if failed or strange or not outcomes["passed"] else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
