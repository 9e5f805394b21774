"""Run OpenStack's tempest, its tests of images, against a real server with its own identity.

``make test-tempest`` runs it, ``TEMPEST_ARGS="tempest.api.image.v2.test_images"`` chooses modules.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from server import free_port
from suites import add_person, report, run, two_stores, web_server

PEOPLE = (
    ("erin", "lab", "member"),
    ("rita", "lab", "reader"),
    ("olga", "works", "member"),
    ("otto", "works", "reader"),
    ("ada", "ops", "admin"),
)
"""User, project and role. A test takes one for each kind of user that it needs."""

LEFT_OUT: Mapping[str, str] = {
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
http_image = {source}/disk.img
http_qcow2_image = {source}/disk.qcow2
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run tempest's tests of images against Stillage.")
    parser.add_argument("tests", nargs="*", default=["tempest.api.image"], help="packages, modules or single tests")
    tests = parser.parse_args().tests
    with tempfile.TemporaryDirectory(prefix="tempest-") as name, serving(Path(name)) as variables:
        results = list(run("tempest", tests, variables))
    return report(results, LEFT_OUT)


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, str]]:
    """Start the server and what it imports images from; yield where tempest finds its settings."""
    port = free_port()
    with web_server(folder / "web") as source, closing(two_stores(folder, port, **allowed(source, port))) as server:
        server.start()
        accounts = [
            {
                "username": user,
                "project_name": project,
                "password": add_person(server, user, project, role),
                "roles": [role],
                "domain_name": "Default",
            }
            for user, project, role in PEOPLE
        ]
        (folder / "accounts.yaml").write_text(json.dumps(accounts))
        (folder / "tempest.conf").write_text(SETTINGS.format(folder=folder, url=server.url, source=source))
        yield {"TEMPEST_CONFIG_DIR": str(folder), "TEMPEST_CONFIG": "tempest.conf"}


def allowed(source: str, port: int) -> Mapping[str, object]:
    """Return the settings that let images be imported from *source*, and from the server itself."""
    return {
        "import_networks": "127.0.0.0/8",
        "import_ports": f"80,443,{urlsplit(source).port}",
        "import_methods": "glance-direct,web-download,copy-image,glance-download",
        "import_remotes": f"RegionOne=http://127.0.0.1:{port}",
    }


if __name__ == "__main__":
    sys.exit(main())
