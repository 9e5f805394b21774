"""The disk inside an image, read over HTTP by the programs that do, and converted downloads that break."""

import random
import subprocess
from pathlib import Path

import pytest

from packed import packed
from qemu_images import run
from server import MIB, Server
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output, packer_of

pytestmark = pytest.mark.oracle

SIZE = 24 * MIB
NOISE = random.Random(18).randbytes(3 * MIB)
DISK = (NOISE + bytes(5 * MIB) + b"some text " * 400_000).ljust(SIZE - 512, b"\0") + NOISE[:512]
SOURCES = {"qcow2": Output("qcow2", compression="zstd")}


@pytest.fixture(scope="module")
def images() -> dict[tuple[str, str], str]:
    return {}


def image_of(server: Server, images: dict[tuple[str, str], str], disk_format: str) -> str:
    """The id of a compressed image of `DISK`."""
    if (server.url, disk_format) not in images:
        data = packed(packer_of(SOURCES[disk_format], SIZE, Made(bytes(16))), DISK)
        images[server.url, disk_format] = server.stored(data, disk_format=disk_format)
    return images[server.url, disk_format]


@pytest.mark.parametrize("disk_format", SOURCES)
def test_qemu_reads_the_disk_of_a_compressed_image_over_http(
    server: Server, images: dict[tuple[str, str], str], disk_format: str, tmp_path: Path
) -> None:
    url = f"{server.url}/v2/images/{image_of(server, images, disk_format)}/disk"
    (tmp_path / "disk.raw").write_bytes(DISK)
    secret = f"secret,id=token,data={server.token()}"
    scheme = url.partition(":")[0]
    unverified = ",file.sslverify=off" if server.tls else ""  # QEMU cannot be told of an authority
    remote = f"driver=raw,file.driver={scheme},file.url={url},file.username=any,file.password-secret=token{unverified}"
    local = f"driver=raw,file.driver=file,file.filename={tmp_path / 'disk.raw'}"
    seen = run("qemu-img", "compare", "--object", secret, "--image-opts", remote, local)
    assert seen == "Images are identical.\n"


def test_curl_resumes_a_converted_download(server: Server, images: dict[tuple[str, str], str], tmp_path: Path) -> None:
    image = image_of(server, images, "qcow2")
    whole = server.api("GET", f"/v2/images/{image}/file?disk_format=vhd").body
    part = tmp_path / "disk.vhd"
    part.write_bytes(whole[: 7 * MIB + 77])
    trust = ["--cacert", str(server.data_folder / "tls" / "ca.pem")] if server.tls else []
    url = f"{server.url}/v2/images/{image}/file?disk_format=vhd"
    command = ["curl", "-fsS", "-C", "-", *trust, "-H", f"X-Auth-Token: {server.token()}", "-o", str(part), url]
    subprocess.run(command, check=True)
    assert part.read_bytes() == whole


def test_nothing_is_stored_for_a_conversion(server: Server, images: dict[tuple[str, str], str]) -> None:
    image = image_of(server, images, "qcow2")
    before = server.blobs()
    assert server.api("GET", f"/v2/images/{image}/file?disk_format=vdi").status == 200
    assert server.blobs() == before
