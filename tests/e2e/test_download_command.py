"""`stillage download` against a real server, and against services that fail."""

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import Shells
from image_service import ImageService, answers
from packed import packed
from sending import Person, ended
from server import MIB, MakeServer, Server, eventually
from stillage.formats.packing.base import Made
from stillage.formats.packing.stream_vmdk import StreamVmdk


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(5).randbytes(3 * MIB) + bytes(9 * MIB) + random.Random(6).randbytes(3 * MIB + 321)


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server(tls=True)


@pytest.fixture(params=[True, False], ids=["ranges", "no ranges"])
def service(request: pytest.FixtureRequest) -> Iterator[ImageService]:
    with ImageService(resumable=request.param).running() as running:
        yield running


def at(service: ImageService, folder: Path, shells: Shells) -> Person:
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"lab": service.cloud}}))
    return Person(folder, shells)


def test_an_image_becomes_a_file_with_holes(server: Server, shells: Shells, tmp_path: Path, data: bytes) -> None:
    image_id = server.stored(data, name="to-fetch")
    person = Person.of(server, tmp_path, shells)
    done = person.download("to-fetch")
    assert done.status == 0, done
    made = tmp_path / "to-fetch"
    assert made.read_bytes() == data
    assert made.stat().st_blocks * 512 < 8 * MIB
    assert done.views[0]["verified"].keys() == {"sha512"}
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["state", "to-fetch"]
    again = person.download(image_id, "-o", "to-fetch")
    assert (again.status, "--force" in again.views[0]["error"]) == (2, True)
    assert person.download(image_id, "-o", "to-fetch", "--force").status == 0


def test_the_disk_inside_an_image_becomes_a_raw_file_with_holes(
    server: Server, shells: Shells, tmp_path: Path, data: bytes
) -> None:
    disk = data.ljust(-(-len(data) // 512) * 512, b"\0")
    stream = packed(StreamVmdk(len(disk), Made(bytes(16))), disk)
    server.stored(stream, name="appliance", disk_format="vmdk")
    person = Person.of(server, tmp_path, shells)
    done = person.download("appliance", "-o", "disk.raw", "--disk-format", "raw")
    assert done.status == 0, done
    assert (done.views[0]["size"], done.views[0]["verified"]) == (len(disk), {})
    assert (tmp_path / "disk.raw").read_bytes() == disk
    assert (tmp_path / "disk.raw").stat().st_blocks * 512 < 8 * MIB


def test_a_server_that_reads_no_disks_is_said_to_read_none(shells: Shells, tmp_path: Path) -> None:
    with ImageService(resumable=False).running() as service:
        service.store(b"x" * 512, name="disk")
        done = at(service, tmp_path, shells).download("disk", "--disk-format", "raw")
    assert done.status == 3
    assert "does not read the disks inside images" in done.views[0]["error"]


def test_what_is_not_there_or_not_unique_is_said(server: Server, shells: Shells, tmp_path: Path) -> None:
    person = Person.of(server, tmp_path, shells)
    assert person.download("no-such-image").status == 3
    assert person.download(server.create()).status == 3
    ids = [server.stored(b"x", name="twice") for _ in range(2)]
    done = person.download("twice")
    assert (done.status, all(image_id in done.views[0]["error"] for image_id in ids)) == (2, True)


def test_a_connection_that_breaks_goes_on(service: ImageService, shells: Shells, tmp_path: Path, data: bytes) -> None:
    image_id = service.store(data, name="../evil")
    service.cut_downloads = [5 * MIB, 1, 0, MIB]
    service.faults.append(("file", answers(503, Retry_After="0")))
    done = at(service, tmp_path, shells).download("../evil")
    assert (done.status, (tmp_path / image_id).read_bytes() == data) == (0, True), done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_interrupted_goes_on_where_it_was(shells: Shells, tmp_path: Path, number: signal.Signals) -> None:
    data = bytearray(random.Random(1).randbytes(MIB + 1)) * 76
    with ImageService(resumable=True).running() as service:
        service.store(data, name="disk")
        person = at(service, tmp_path, shells)
        service.stall_downloads_after = 70 * MIB
        first = person.start("download", "disk")
        eventually(lambda: service.sent >= 70 * MIB, "most has gone")
        eventually(lambda: person.kept("downloads"), "some is kept")
        assert ended(first, number).status in (130, -9)
        assert not (tmp_path / "disk").exists()
        service.stall_downloads_after = None
        done = person.download("disk")
        assert done.status == 0, done
        with (tmp_path / "disk").open("rb") as file:
            assert all(data[at : at + MIB] == file.read(MIB) for at in range(0, len(data), MIB))
            assert file.read() == b""
        assert done.views[0]["resumed"] > 0
        assert done.views[0]["resumed"] + done.views[0]["received"] == len(data)
        assert person.kept("downloads") == []


def test_other_bytes_than_the_record_says_are_status_5_and_not_kept(
    shells: Shells, tmp_path: Path, data: bytes
) -> None:
    with ImageService(resumable=True).running() as service:
        service.store(data, name="disk")
        service.only().data[5] ^= 1
        done = at(service, tmp_path, shells).download("disk")
    assert (done.status, list(tmp_path.glob("disk*"))) == (5, [])
