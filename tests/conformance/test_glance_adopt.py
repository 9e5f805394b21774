"""`stillage adopt` of a real Glance that was stopped, both ways. `make test-glance` runs these."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import ENVIRONMENTS
from glance_images import GlanceImages, fill, read_all
from real_glance import real_glance
from real_keystone import SERVICE_PASSWORD, RealKeystone
from running import TIMEOUT_S
from server import COMMAND, Server

pytestmark = [
    pytest.mark.glance,
    pytest.mark.skipif(not (ENVIRONMENTS / "glance").exists(), reason="make test-glance installs Glance"),
]


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKeystone]:
    made = RealKeystone(tmp_path_factory.mktemp("keystone"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glance")


@pytest.fixture(scope="module")
def images(folder: Path, keystone: RealKeystone, tmp_path_factory: pytest.TempPathFactory) -> GlanceImages:
    """What a Glance had, which is stopped; one file is damaged, and one is gone."""
    with real_glance(folder, keystone) as glance:
        made = fill(glance, keystone, tmp_path_factory.mktemp("disks"))
    damaged = file_of(folder, made, "damaged")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    file_of(folder, made, "missing").unlink()
    return made


def file_of(folder: Path, images: GlanceImages, name: str) -> Path:
    return folder / "images" / images.ids[name]


def server_of(home: Path, keystone: RealKeystone) -> Server:
    return Server(home, keystone_url=keystone.url, keystone_username="stillage", keystone_secret=SERVICE_PASSWORD)


def adopt(server: Server, folder: Path, *options: str) -> tuple[int, Any]:
    """Return the status and the report."""
    line = [str(COMMAND), "adopt", str(folder / "glance.db"), str(folder / "images"), "--json", *options]
    done = subprocess.run(
        [*line, "--data", str(server.data_folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env=server.environment(),
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def outcomes(report: Any, images: GlanceImages) -> dict[str, str]:
    names = {image_id: name for name, image_id in images.ids.items()}
    return {names[each["id"]]: each["outcome"] for each in report["images"]}


def require_same(server: Server, keystone: RealKeystone, images: GlanceImages) -> None:
    """Require that clients read what Glance answered, of every image but the two whose bytes are lost."""
    lost = set(images.of("damaged", "missing"))
    ids = [image_id for image_id in images.answered["images"] if image_id not in lost]
    read = read_all(server.url, keystone.admin, ids)
    assert read["images"] == {image_id: images.answered["images"][image_id] for image_id in ids}
    assert set(read["listed"]) == set(images.answered["listed"]) - lost
    assert read["namespace"] == images.answered["namespace"]


@pytest.mark.parametrize("way", ["--read-only", "--take-over"])
def test_clients_read_what_glance_answered(
    folder: Path, images: GlanceImages, keystone: RealKeystone, tmp_path: Path, way: str
) -> None:
    server = server_of(tmp_path / "home", keystone)
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "images").iterdir()}
    status, tried = adopt(server, folder, way, "--dry-run")
    assert (status, server.data_folder.exists()) == (1, False)
    status, report = adopt(server, folder, way)
    assert (status, report) == (1, tried)
    told = outcomes(report, images)
    assert {name for name, outcome in told.items() if outcome == "refused"} == {"damaged", "missing"}
    assert told["queued"] == "recorded"
    assert "deleted" not in told
    assert [each["note"] for each in report["images"] if each["note"]] == []
    try:
        require_same(server.start(), keystone, images)
        lost = server.call("GET", f"/v2/images/{images.ids['damaged']}", headers={"X-Auth-Token": keystone.admin}).json
        assert lost["status"] == "queued"
        assert "Glance recorded" in lost["os_stillage_reason"]
    finally:
        server.close()
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "images").iterdir()} == before
    assert set(outcomes(adopt(server, folder, way)[1], images).values()) == {"present", "refused"}
