"""IMS: a server that is killed in the middle of a job, and starts again."""

from pathlib import Path
from typing import Any

import pytest

from hindered_server import Hindered
from server import MIB, MakeServer, eventually

pytestmark = pytest.mark.thorough

DATA = bytes(range(256)) * (4 * MIB // 256)
NAMES = ("web", "one", "two")


@pytest.fixture
def server(shared_server: MakeServer) -> Hindered:
    made = shared_server(hindered=True, profile="ims")
    assert isinstance(made, Hindered)
    if made.run.has_ended:  # a test has failed in the middle
        made.go_on()
        made.start()
    return made


@pytest.fixture
def project(server: Hindered) -> str:
    return str(server.login().json["token"]["project"]["id"])


@pytest.fixture
def bucket(server: Hindered, project: str) -> Path:
    folder = server.data_folder / "buckets" / project / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.img").write_bytes(DATA + name.encode().ljust(512))
    return folder


def killed_in_the_job(server: Hindered, project: str, moment: str, path: str, body: Any) -> dict[str, Any]:
    """Ask for a job, kill the server at *moment* of it, start the server again; return the job when it has ended."""
    server.stop_at(moment)
    answer = server.api("POST", path, body)
    assert answer.status == 200, answer.body
    server.kill_there()
    server.start()

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = server.api("GET", f"/v1/{project}/jobs/{answer.json['job_id']}").json
        return job if job["status"] in ("SUCCESS", "FAIL") else None

    return eventually(ended, "the job has ended")


@pytest.mark.parametrize("file_format", ["qcow2", "vmdk"])
def test_an_export_finds_its_own_object(server: Hindered, project: str, bucket: Path, file_format: str) -> None:
    image_id = server.stored(DATA, disk_format="raw")
    body = {"bucket_url": f"files:out.{file_format}", "file_format": file_format}
    moment, path = "when the exported object is there", f"/v1/cloudimages/{image_id}/file"
    job = killed_in_the_job(server, project, moment, path, body)
    assert (job["status"], job["fail_reason"]) == ("SUCCESS", None)
    assert (bucket / f"out.{file_format}").stat().st_size > len(DATA) // 300
    assert not list(bucket.glob(".*.part"))


@pytest.mark.parametrize(
    "moment", ["in the transaction of a part that is ready", "in the transaction that ends the parts"]
)
def test_images_that_are_made_together_are_made_all_the_same(
    server: Hindered, project: str, bucket: Path, moment: str
) -> None:
    assert bucket.is_dir()
    before = server.blobs()
    web, *disks = [{"name": name, "image_url": f"files:{name}.img", "min_disk": 1} for name in NAMES]
    body = {**web, "data_images": disks}
    job = killed_in_the_job(server, project, moment, "/v2/cloudimages/action", body)
    assert (job["status"], job["fail_reason"]) == ("SUCCESS", None)
    parts = job["entities"]["sub_jobs_result"]
    assert [part["status"] for part in parts] == ["SUCCESS"] * 3
    for part in parts:
        assert server.show(part["entities"]["image_id"])["status"] == "active"
    eventually(lambda: len(server.blobs() - before) == 3 or None, "what was begun before is removed")
    for part in parts:
        assert server.api("DELETE", f"/v2/images/{part['entities']['image_id']}").status == 204
