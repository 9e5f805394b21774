"""The disk inside an image, read over HTTP by the programs that do, and converted downloads that break."""

import random
import struct
import subprocess
from functools import cache
from http.client import IncompleteRead
from pathlib import Path

import pytest

from packed import packed
from qemu_images import run
from rude import Rude, request
from server import MIB, Answer, MakeServer, Server, eventually
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of

pytestmark = pytest.mark.oracle

SIZE, HUGE = 24 * MIB, 128 << 30
NOISE = random.Random(18).randbytes(3 * MIB)
SOURCES = {"qcow2": Output("qcow2", compression="zstd"), "vmdk": Output("vmdk", "streamOptimized")}


@cache
def guest() -> bytes:
    return (NOISE + bytes(5 * MIB) + b"some text " * 400_000).ljust(SIZE - 512, b"\0") + NOISE[:512]


@pytest.fixture(scope="module")
def images() -> dict[tuple[str, str], str]:
    return {}


def image_of(server: Server, images: dict[tuple[str, str], str], disk_format: str) -> str:
    """The id of a compressed image of `guest()`."""
    if (server.url, disk_format) not in images:
        data = packed(packer_of(SOURCES[disk_format], SIZE, Made(bytes(16))), guest())
        images[server.url, disk_format] = server.stored(data, disk_format=disk_format)
    return images[server.url, disk_format]


@pytest.mark.parametrize("disk_format", SOURCES)
def test_qemu_reads_the_disk_of_a_compressed_image_over_http(
    server: Server, images: dict[tuple[str, str], str], disk_format: str, tmp_path: Path
) -> None:
    url = f"{server.url}/v2/images/{image_of(server, images, disk_format)}/disk"
    (tmp_path / "disk.raw").write_bytes(guest())
    secret = f"secret,id=token,data={server.token()}"
    scheme = url.partition(":")[0]
    unverified = ",file.sslverify=off" if server.tls else ""  # QEMU cannot be told of an authority
    remote = f"driver=raw,file.driver={scheme},file.url={url},file.username=any,file.password-secret=token{unverified}"
    local = f"driver=raw,file.driver=file,file.filename={tmp_path / 'disk.raw'}"
    seen = run("qemu-img", "compare", "--object", secret, "--image-opts", remote, local)
    assert seen == "Images are identical.\n"


def test_nbdkit_makes_a_block_device_of_the_disk(
    server: Server, images: dict[tuple[str, str], str], tmp_path: Path
) -> None:
    url = f"{server.url}/v2/images/{image_of(server, images, 'vmdk')}/disk"
    (tmp_path / "disk.raw").write_bytes(guest())
    trust = [f"cainfo={server.data_folder / 'tls' / 'ca.pem'}"] if server.tls else []
    compare = f"qemu-img compare -f raw -F raw $uri {tmp_path / 'disk.raw'}"
    header = f"header=X-Auth-Token: {server.token()}"
    done = subprocess.run(
        ["nbdkit", "-U", "-", "curl", url, header, *trust, "--run", compare],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "Images are identical.\n", done.stderr


MESSAGE, MESSAGE_AT = b"read from the last MiB of the disk", SIZE - 512
BOOTED = 33
"""The status of QEMU after the boot sector wrote 16 to `isa-debug-exit`; 65 if it could not read the message."""


def boot_sector(sector: int) -> bytes:
    """8086 code that reads *sector* from the disk it was started from, and writes its text to the serial line."""
    code = bytes.fromhex(
        "31c0 8ed8 8ed0 bc007c"  # segments 0, stack below the code
        "be307c b442 cd13 7212"  # read what the packet says to 0x8000; to the failure unless that worked
        "be0080 ac 84c0 7406 baf803 ee ebf5"  # each byte to port 0x3f8, up to a zero
        "b010 eb02 b020 e6f4 f4 ebfd"  # 16, or 32 for a failure, to port 0xf4; halt
    )
    packet = struct.pack("<BBHHHQ", 16, 0, 1, 0x8000, 0, sector)
    return (code.ljust(0x30, b"\0") + packet).ljust(510, b"\0") + b"\x55\xaa"


def test_a_guest_boots_from_the_disk_of_a_stream_optimized_vmdk(server: Server, tmp_path: Path) -> None:
    disk = boot_sector(MESSAGE_AT // 512) + NOISE + bytes(SIZE - 1024 - len(NOISE)) + MESSAGE.ljust(512, b"\0")
    vmdk = packed(packer_of(SOURCES["vmdk"], SIZE, Made(bytes(16))), disk)
    url = f"{server.url}/v2/images/{server.stored(vmdk, disk_format='vmdk')}/disk"
    unverified = ",file.sslverify=off" if server.tls else ""
    remote = f"driver=raw,node-name=disk,read-only=on,file.driver={url.partition(':')[0]},file.url={url}"
    remote += f",file.username=any,file.password-secret=token{unverified}"
    machine = ["-accel", "tcg", "-m", "32", "-nodefaults", "-display", "none", "-serial", f"file:{tmp_path / 'serial'}"]
    devices = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-device", "virtio-blk-pci,drive=disk,bootindex=0"]
    secret = ["-object", f"secret,id=token,data={server.token()}"]
    command = ["qemu-system-x86_64", *machine, *secret, "-blockdev", remote, *devices]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == BOOTED, done.stderr
    assert (tmp_path / "serial").read_bytes() == MESSAGE


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


def huge(server: Server) -> str:
    """The id of a compressed image of a disk of 128 GiB without data."""
    empty = packed(packer_of(SOURCES["qcow2"], HUGE, Made(bytes(16))), b"")
    return server.stored(empty, disk_format="qcow2")


def test_a_huge_disk_costs_no_memory(server: Server) -> None:
    image = huge(server)
    server.forget_peak_memory()
    before = server.peak_memory()
    answer = server.api("GET", f"/v2/images/{image}/file?disk_format=vmdk")
    assert (answer.status, len(answer.body)) == (200, int(answer.headers["content-length"]))
    with Rude(server) as client:
        client.send(request("GET", f"/v2/images/{image}/disk", x_auth_token=server.token()))
        left = 256 * MIB
        while left > 0:
            left -= len(client.socket.recv(MIB))
    assert server.peak_memory() - before < 16 * MIB


@pytest.fixture
def narrow_server(shared_server: MakeServer) -> Server:
    """Expands one disk at once."""
    return shared_server(tls=False, convert_slots=1)


def test_a_client_that_leaves_gives_its_slot_back(narrow_server: Server) -> None:
    guest = NOISE * 10
    data = packed(packer_of(SOURCES["vmdk"], len(guest), Made(bytes(16))), guest)
    image = narrow_server.stored(data, disk_format="vmdk")
    path = f"/v2/images/{image}/disk"
    with Rude(narrow_server, small_buffers=True) as client:
        client.send(request("GET", path, x_auth_token=narrow_server.token()))
        assert client.socket.recv(20).startswith(b"HTTP/1.1 200")
        refused = narrow_server.api("GET", path)
        assert (refused.status, refused.json["error"]["stillage_code"]) == (503, "too_many_conversions")

    def free() -> Answer | None:
        answer = narrow_server.api("GET", path)
        return answer if answer.status == 200 else None

    assert eventually(free, "the slot is free").body == guest


def test_a_disk_that_rots_is_cut_off_and_never_ends_well(narrow_server: Server) -> None:
    before = narrow_server.blobs()
    data = packed(packer_of(SOURCES["vmdk"], SIZE, Made(bytes(16))), guest())
    image = narrow_server.stored(data, disk_format="vmdk")
    (blob,) = narrow_server.blobs() - before
    with (narrow_server.data_folder / "blobs" / blob).open("r+b") as file:
        file.seek(len(NOISE) // 2)
        file.write(bytes(100_000))
    with pytest.raises((IncompleteRead, ConnectionError)):
        narrow_server.api("GET", f"/v2/images/{image}/disk")
    assert narrow_server.api("GET", f"/v2/images/{image}/disk", range="bytes=0-999").body == guest()[:1000]
