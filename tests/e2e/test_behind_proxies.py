"""Large images through the nginx and the HAProxy of packaging/: plain, in chunks, resumed, refused early.

Two of the six have 2 GiB, where numbers of 32 bits end; with ``STILLAGE_PROXIES=1`` all of them.
"""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aftermath import upload_head
from load_balancer import LoadBalancer, packaged_load_balancer
from rude import Rude
from server import MIB, MakeServer, eventually

pytestmark = [pytest.mark.thorough, pytest.mark.one_server]

PROXIES = ("nginx", "haproxy")
LARGE, SMALL = 2048 * MIB, 96 * MIB
MD5 = {LARGE: "a981130cf2b7e09f4686dc273cf7187e", SMALL: hashlib.md5(bytes(SMALL)).hexdigest()}
"""Of so many zeros."""
LARGE_ONES = {("nginx", "plain"), ("haproxy", "chunks")}
WITHIN_S = 600
BROKEN_AT = 32 * MIB
BAD = b"QFI\xfb\x00\x00\x00\x09"
"""How a qcow2 image of a version begins that there is not."""


@pytest.fixture(scope="module")
def balancers(shared_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LoadBalancer]]:
    node = shared_server(trusted_proxies="127.0.0.0/8")
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(packaged_load_balancer(kind, [node, node], tmp_path_factory.mktemp(kind)))
            for kind in PROXIES
        }


def curl(balancer: LoadBalancer, path: str, *arguments: str, stdin: Path | None = None) -> str:
    """Send *stdin* and return the status."""
    headers = ["-H", f"X-Auth-Token: {balancer.token()}", "-H", "Content-Type: application/octet-stream"]
    line = ["curl", "-sS", "--cacert", str(balancer.data_folder / "tls" / "ca.pem"), "-w", "%{http_code}", *headers]
    with (stdin or Path("/dev/null")).open("rb") as file:
        done = subprocess.run(
            [*line, "-o", "/dev/null", *arguments, balancer.url + path],
            stdin=file,
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def send_plain(balancer: LoadBalancer, image_id: str, zeros: Path) -> None:
    assert curl(balancer, f"/v2/images/{image_id}/file", "-T", str(zeros)) == "204"


def send_in_chunks(balancer: LoadBalancer, image_id: str, zeros: Path) -> None:
    assert curl(balancer, f"/v2/images/{image_id}/file", "-T", "-", stdin=zeros) == "204"


def send_and_resume(balancer: LoadBalancer, image_id: str, zeros: Path) -> None:
    """Break off, ask how many bytes count, and send the others."""
    path, size = f"/v2/images/{image_id}/uploads", zeros.stat().st_size
    upload = balancer.api("POST", path, {"size": size}).json["id"]
    told = {"content_length": str(size), "content_range": f"bytes 0-{size - 1}/{size}"}
    with Rude(balancer) as client:
        client.send(upload_head(balancer, image_id, **told), *[bytes(MIB)] * (BROKEN_AT // MIB))
    counted = eventually(lambda: balancer.api("GET", f"{path}/{upload}").json["received"], "bytes count", within_s=60)
    with zeros.open("r+b") as file:
        file.truncate(size - counted)
    rest = f"Content-Range: bytes {counted}-{size - 1}/{size}"
    assert curl(balancer, f"{path}/{upload}", "-T", str(zeros), "-H", rest) in ("202", "204")


WAYS: dict[str, Callable[[LoadBalancer, str, Path], None]] = {
    "plain": send_plain,
    "chunks": send_in_chunks,
    "resumed": send_and_resume,
}


@pytest.mark.parametrize("kind", PROXIES)
@pytest.mark.parametrize("way", WAYS)
def test_a_large_image_passes(kind: str, way: str, balancers: dict[str, LoadBalancer], tmp_path: Path) -> None:
    balancer, zeros = balancers[kind], tmp_path / "zeros"
    size = LARGE if (kind, way) in LARGE_ONES or "STILLAGE_PROXIES" in os.environ else SMALL
    with zeros.open("wb") as file:
        file.truncate(size)
    image_id = balancer.create()
    WAYS[way](balancer, image_id, zeros)
    image = eventually(lambda: active(balancer, image_id), "the image is active", within_s=WITHIN_S)
    assert (image["size"], image["checksum"]) == (size, MD5[size])


def active(balancer: LoadBalancer, image_id: str) -> dict[str, object] | None:
    image = balancer.show(image_id)
    return image if image["status"] == "active" else None


@pytest.mark.parametrize("kind", PROXIES)
def test_a_large_image_that_is_bad_is_refused_early(kind: str, balancers: dict[str, LoadBalancer]) -> None:
    image_id = balancers[kind].create(disk_format="qcow2")
    with Rude(balancers[kind]) as client:
        client.send(upload_head(balancers[kind], image_id, content_length=str(LARGE)), BAD)
        answer, sent = client.send_until_refused(bytes(MIB) for _ in range(LARGE // MIB))
    assert answer.status == 415, answer.body
    assert "the qcow2 version is 9" in answer.message
    assert sent < 2 * BROKEN_AT
