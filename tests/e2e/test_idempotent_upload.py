"""`stillage upload` of the same name again and again, as CI does it, and `download` to a pipe."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from clients import Shells
from image_service import ImageService
from sending import Person
from server import MakeServer, Server

FIRST, SECOND = b"first " * 4096, b"second" * 4096


@pytest.fixture
def server(shared_server: MakeServer) -> Server:
    return shared_server(tls=True)


@pytest.fixture
def person(server: Server, shells: Shells, tmp_path: Path) -> Person:
    (tmp_path / "disk.raw").write_bytes(FIRST)
    return Person.of(server, tmp_path, shells)


def test_the_same_name_is_left_alone_refused_or_replaced(server: Server, person: Person) -> None:
    name = f"ci {uuid4()}"
    first = person.upload("disk.raw", "--name", name, "--unique-name").views[0]
    assert (first["status"], first["way"]) == (0, "plain")
    for option in ("--unique-name", "--if-changed"):
        again = person.upload("disk.raw", "--name", name, option).views[0]
        assert (again["status"], again["way"], again["sent"], again["image"]) == (0, "unchanged", 0, first["image"])
        assert again["verified"]

    (person.folder / "disk.raw").write_bytes(SECOND)
    refused = person.upload("disk.raw", "--name", name, "--unique-name").views[0]
    assert (refused["status"], refused["code"], refused["sent"]) == (1, "name_taken", 0)
    assert first["image"] in refused["error"]
    second = person.upload("disk.raw", "--name", name, "--if-changed", "--replace").views[0]
    assert (second["status"], second["replaced"]) == (0, [first["image"]])
    assert server.api("GET", f"/v2/images/{first['image']}").status == 404
    kept = person.upload("disk.raw", "--name", name, "--if-changed", "--replace").views[0]
    assert (kept["image"], kept["replaced"], kept["way"]) == (second["image"], [], "unchanged")

    quiet = person.run("upload", "disk.raw", "--name", name, "--replace", "--quiet", "--limit-rate", "100MiB")
    assert (quiet.status, quiet.error) == (0, "")
    assert server.show(quiet.out.strip())["name"] == name
    assert server.api("GET", f"/v2/images/{second['image']}").status == 404


@pytest.mark.parametrize(
    "options", [("--replace", "--unique-name"), ("--image", "x", "--replace"), ("--limit-rate", "slow")]
)
def test_options_that_contradict_are_status_2(person: Person, options: tuple[str, ...]) -> None:
    assert person.run("upload", "disk.raw", *options).status == 2


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_to_a_pipe_goes_on_where_it_broke_off(shells: Shells, tmp_path: Path, ranges: bool) -> None:
    data = b"0123456789abcdef" * 65536
    with ImageService(resumable=ranges).running() as service:
        image_id = service.store(data, name="disk")
        (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"lab": service.cloud}}))
        service.cut_downloads = [300_000, 700_000]
        done = Person(tmp_path, shells).run("download", "disk", "-o", "-", "--json")
        assert (done.status, done.out == data.decode()) == (0, True)
        view = json.loads(done.error.splitlines()[-1])
        assert (view["image"], view["size"], list(view["verified"])) == (image_id, len(data), ["sha512"])
        service.images[image_id].record["os_hash_value"] = "0" * 128
        assert Person(tmp_path, shells).run("download", "disk", "--quiet", "-o", "-").status == 5
