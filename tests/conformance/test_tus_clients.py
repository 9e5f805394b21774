"""Public clients of tus, and of the IETF's draft, on a line that breaks."""

import json
import shutil
from pathlib import Path

import pytest

from clients import Account, digest, node_modules
from cutting import Cutter

SIZE = 6 << 20

TUSPY = """
import os
os.environ["REQUESTS_CA_BUNDLE"] = authority
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
client = TusClient(url, headers={"X-Auth-Token": token})
uploader = client.uploader(
    path, chunk_size=chunk, retries=retries, retry_delay=0, upload_checksum=checksum, metadata={"filename": "disk.img"},
    store_url=True, url_storage=FileStorage(storage),
)
began_at = uploader.offset
uploader.upload(stop_at=stop_at)
result = {"began_at": began_at, "offset": uploader.offset}
"""

# What the retries have in hand is more than the line cuts; between them nobody waits.
TUS_JS = """
const fs = require("fs")
const tus = require("tus-js-client")
const given = JSON.parse(process.argv[1])
let retries = 0
const upload = new tus.Upload(fs.createReadStream(given.path), {
  endpoint: given.url, protocol: given.protocol, headers: {"X-Auth-Token": given.token}, chunkSize: given.chunk,
  uploadSize: fs.statSync(given.path).size, retryDelays: [0, 0, 0, 0, 0],
  onShouldRetry: () => { retries += 1; return true },
  onError: (error) => { console.error(String(error)); process.exit(1) },
  onSuccess: () => console.log(JSON.stringify({retries})),
})
upload.start()
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.img"
    path.write_bytes(bytes(range(1, 256)) * (SIZE // 255))
    return path


def queued(account: Account) -> str:
    answer = account.call("POST", "/v2/images", {"container_format": "bare", "disk_format": "raw"})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def holds(account: Account, image_id: str, path: Path) -> None:
    image = account.call("GET", f"/v2/images/{image_id}").json
    assert (image["status"], image["size"]) == ("active", path.stat().st_size)
    assert image["os_hash_value"] == digest(path)


def tuspy(account: Account, image_id: str, path: Path, base: str, **settings: object) -> dict[str, int]:
    values = {
        "url": f"{base}/v2/images/{image_id}/uploads",
        "token": account.token(),
        "path": str(path),
        "authority": str(account.server.data_folder / "tls" / "ca.pem"),
        "storage": str(account.home / f"{image_id}.json"),
        "chunk": SIZE,
        "retries": 0,
        "checksum": False,
        "stop_at": None,
    }
    said: dict[str, int] = account.python("tuspy", TUSPY, **{**values, **settings})
    return said


def test_tuspy_uploads_in_pieces_with_checksums(erin: Account, large: Path) -> None:
    image_id = queued(erin)
    said = tuspy(erin, image_id, large, erin.server.url, chunk=1 << 20, checksum=True)
    assert said == {"began_at": 0, "offset": large.stat().st_size}
    holds(erin, image_id, large)


def test_tuspy_goes_on_in_another_process(erin: Account, large: Path) -> None:
    image_id = queued(erin)
    assert tuspy(erin, image_id, large, erin.server.url, chunk=1 << 20, stop_at=2 << 20)["offset"] == 2 << 20
    assert erin.call("GET", f"/v2/images/{image_id}").json["status"] == "saving"
    assert tuspy(erin, image_id, large, erin.server.url)["began_at"] == 2 << 20
    holds(erin, image_id, large)


def test_tuspy_goes_on_when_the_line_breaks_in_the_middle_of_a_piece(erin: Account, large: Path) -> None:
    image_id = queued(erin)
    with Cutter(erin.server, 2 << 20, 1 << 20).running() as line:
        tuspy(erin, image_id, large, line.url, retries=5)
        assert line.cuts == 2
    holds(erin, image_id, large)


def test_tuspy_uploads_nothing(erin: Account, tmp_path: Path) -> None:
    image_id = queued(erin)
    empty = tmp_path / "empty.img"
    empty.touch()
    tuspy(erin, image_id, empty, erin.server.url)
    holds(erin, image_id, empty)


@pytest.mark.parametrize("protocol", ["tus-v1", "ietf-draft-05"])
def test_tus_js_client_goes_on_when_the_line_breaks(erin: Account, large: Path, protocol: str) -> None:
    modules = node_modules("tus-js-client")
    node = shutil.which("node")
    assert node
    image_id = queued(erin)
    with Cutter(erin.server, 2 << 20, 1 << 20).running() as line:
        given = {
            "url": f"{line.url}/v2/images/{image_id}/uploads",
            "protocol": protocol,
            "token": erin.token(),
            "path": str(large),
            "chunk": 3 << 20,
        }
        environment = (f"NODE_PATH={modules}", f"NODE_EXTRA_CA_CERTS={erin.server.data_folder / 'tls' / 'ca.pem'}")
        done = erin.run("env", *environment, node, "-e", TUS_JS, json.dumps(given))
        assert line.cuts == 2
    assert done.json["retries"] == 2
    holds(erin, image_id, large)
