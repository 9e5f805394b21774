"""Run the functional tests of openstacksdk, openstackclient and glanceclient, those of images, against a real server.

``make test-functional`` runs them, ``FUNCTIONAL_ARGS=PACKAGE`` chooses.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from server import Server
from suites import add_person, report, run, two_stores

PACKAGES = (
    "openstack.tests.functional.image",
    "openstack.tests.functional.cloud.test_image",
    "openstackclient.tests.functional.image",
    "glanceclient.tests.functional.v2",
)
CLOUDS = (
    ("devstack", "erin", "lab", "member"),
    ("devstack-alt", "olga", "works", "member"),
    ("devstack-admin", "ada", "ops", "admin"),
    ("devstack-system-admin", "sam", "ops", "admin"),
)
"""The clouds that the suites expect, and whom they log in there."""
LEFT_OUT: Mapping[str, str] = {
    "test_cache.CacheTests.test_cached_image": "needs a cache, which only a store in a bucket has, "
    "and an image without bytes in it, of which there is nothing to keep",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Run functional tests of OpenStack's clients against Stillage.")
    parser.add_argument("tests", nargs="*", default=PACKAGES, help="packages, modules or single tests")
    tests = parser.parse_args().tests
    with tempfile.TemporaryDirectory(prefix="functional-") as name, serving(Path(name)) as variables:
        results = list(run("functional", tests, variables))
    return report(results, LEFT_OUT)


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, str]]:
    """Start the server with an image that everybody sees; yield where the clients find their clouds."""
    server = two_stores(folder)
    try:
        server.start()
        clouds = {name: cloud(server, *person) for name, *person in CLOUDS}
        (folder / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
        (folder / "CONTRIBUTING.rst").write_text("What openstacksdk's suite uploads, for it is there in a checkout.\n")
        publish(server)
        bin_folder = Path(__file__).parents[2] / ".tools" / "clients" / "functional" / "bin"
        yield {
            "HOME": str(folder),
            "OS_GLANCECLIENT_EXEC_DIR": str(bin_folder),
            "OPENSTACKSDK_FUNC_TEST_TIMEOUT": "60",
        }
    finally:
        server.close()


def cloud(server: Server, user: str, project: str, role: str) -> dict[str, object]:
    auth = {
        "auth_url": f"{server.url}/identity/v3",
        "username": user,
        "password": add_person(server, user, project, role),
        "project_name": project,
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return {"auth": auth, "region_name": "RegionOne"}


def publish(server: Server) -> None:
    """Store the image that openstacksdk looks for before it tests anything."""
    admin = {"X-Auth-Token": server.token("admin", "demo")}
    attributes = {"name": "cirros-uec", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image_id = server.call("POST", "/v2/images", attributes, headers=admin).json["id"]
    octets = admin | {"Content-Type": "application/octet-stream"}
    assert server.call("PUT", f"/v2/images/{image_id}/file", bytes(512), headers=octets).status == 204


if __name__ == "__main__":
    sys.exit(main())
